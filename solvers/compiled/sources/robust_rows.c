/* Rows of the workload table that nobody needs: another one of the same workload is no worse, whoever runs it. */
#include <stdlib.h>

#include "export.h"
#include "robust_curves.h"

/* Energy at the fastest clock, but for the radio's. */
static double fast_j_of(const Row *row) {
    const double f = row->fast_hz, power = row->kappa * (row->exponent == 3.0 ? f * f * f : pow(f, row->exponent));
    if (row->slow_hz == f) return row->slow_j;
    return (row->static_w + power) * (row->fast_s + row->overhead_s) + row->constant_j;
}

/* Whether a row is in time wherever another is, at the same share, and asks no more of the uplink and of the radio. */
static int no_later(const Row *a, const Row *b) {
    return a->unit_hz <= b->unit_hz && a->fixed_s <= b->fixed_s && a->fast_s <= b->fast_s && a->overhead_s <= b->overhead_s &&
           a->part * a->unit_hz <= b->part * b->unit_hz && a->standby_w <= b->standby_w && a->margin_s <= b->margin_s &&
           /* Variances are linear in the correlation, which is from -1 to 1. */
           a->variance_s2 + a->cross_s2 <= b->variance_s2 + b->cross_s2 &&
           a->variance_s2 - a->cross_s2 <= b->variance_s2 - b->cross_s2 &&
           a->variance_low_s2 + a->cross_low_s2 <= b->variance_low_s2 + b->cross_low_s2 &&
           a->variance_low_s2 - a->cross_low_s2 <= b->variance_low_s2 - b->cross_low_s2 &&
           a->device_std_s <= b->device_std_s && a->loss <= b->loss;
}

/* Whether a row costs no more at any clock that both have, which are all clocks of the other. */
static int no_dearer(const Row *a, const Row *b) {
    return a->exponent == b->exponent && a->kappa <= b->kappa && a->static_w <= b->static_w && a->cycles <= b->cycles &&
           a->constant_j <= b->constant_j && a->slow_hz <= b->slow_hz && a->fast_hz >= b->fast_hz;
}

/* Whether `a` takes the place of `b` in every plan: as fast as it is, it costs no more than the other does at its cheapest,
   or it costs no more at each clock. */
static int replaces(const Row *a, double a_fast_j, const Row *b) {
    return no_later(a, b) && (a_fast_j <= b->slow_j || no_dearer(a, b));
}

/* Says of each row whether it is allowed and nothing that is replaces it; the first of equals stays. -1: no memory. */
SP_EXPORT int64_t sp_robust_needed(const Row *row, const int64_t *first, int64_t workloads, uint8_t *needed) {
    const int64_t rows = first[workloads];
    double *fast_j = malloc((size_t)(rows > 0 ? rows : 1) * sizeof *fast_j);
    if (fast_j == NULL) return -1;
    for (int64_t r = 0; r < rows; r++) {
        fast_j[r] = fast_j_of(row + r);
        needed[r] = row[r].allowed != 0.0;
    }
    for (int64_t w = 0; w < workloads; w++) {
        for (int64_t b = first[w]; b < first[w + 1]; b++) {
            /* Only what stays replaces others, so that nothing is left without its place taken. */
            for (int64_t a = first[w]; a < first[w + 1] && needed[b]; a++) {
                if (a == b || !needed[a] || !replaces(row + a, fast_j[a], row + b)) continue;
                needed[b] = a > b && replaces(row + b, fast_j[b], row + a);
            }
        }
    }
    free(fast_j);
    return 0;
}
