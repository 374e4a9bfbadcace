/* Large cells, a stretch of users at a time: whoever calls divides the users, and looks up in between. */
#include <stdlib.h>

#include "export.h"
#include "robust_curves.h"

enum { DONE = 0, NO_MEMORY = -1 };

/* The least share of every user, infinite where none of its options keeps its limits; and what it surely is, with the
   rounding of times taken off. */
SP_EXPORT int64_t sp_robust_least(const Cell *cell, int64_t from, int64_t to, double *least_hz, double *surely_hz) {
    const Cap law = cap_of(cell->cap);
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        const int64_t *first = cell->first + cell->workload[n];
        Curve best, surely, some;
        double widest = 0.0, sure = 0.0;
        int silent = 0;
        for (int64_t r = first[0]; r < first[1] && !silent; r++) {
            if (!lay_out(cell, &law, &who, r, &some)) continue;
            silent = !sends(&some);
            /* One scale for all: the share is least where the uplink may be slowed most. */
            if (some.most_s > widest * some.unit_s) {
                widest = some.most_s / some.unit_s;
                best = some;
            }
            if (some.most_s + 2.0 * some.error_s > sure * some.unit_s) {
                sure = (some.most_s + 2.0 * some.error_s) / some.unit_s;
                surely = some;
                surely.most_s += 2.0 * some.error_s;
            }
        }
        least_hz[n] = silent ? 0.0 : widest > 0.0 ? robust_least_hz(&best, &law) : INFINITY;
        if (surely_hz != NULL)
            surely_hz[n] = silent ? 0.0 : sure > 0.0 ? robust_least_hz(&surely, &law) * (1.0 - 4.0 * PAD) : INFINITY;
    }
    return DONE;
}

/* Everybody's best option at a price: sums are of the values, of their sizes, of the shares, and of users without one.
   `rows` from first[n] to first[n + 1] are the options of user n, all of its workload where there are none; `hint_s`,
   one for each row and 0 to begin with, is where it was found last. */
SP_EXPORT int64_t sp_robust_price(const Cell *cell, double price, const double *most_hz, int64_t from, int64_t to,
                                  const int64_t *first, const int64_t *rows, double *hint_s, int64_t *choice,
                                  double *share_hz, double *sums) {
    const Cap law = cap_of(cell->cap);
    Options options;
    if (!robust_room(&options, robust_most_options(cell, from, to))) {
        robust_forget(&options);
        return NO_MEMORY;
    }
    Sum value = {0.0, 0.0};
    sums[0] = sums[1] = sums[2] = sums[3] = 0.0;
    for (int64_t n = from; n < to; n++) {
        Answer a = {INFINITY, 0.0, 0.0, 0.0};
        robust_options(cell, &law, n, rows ? rows + first[n] : NULL, rows ? first[n + 1] - first[n] : 0, &options);
        if (rows) memcpy(options.hint_s, hint_s + first[n], (size_t)options.count * sizeof *hint_s);
        const int64_t best = robust_best(&law, &options, price, 0.0, most_hz[n], &a);
        if (rows) memcpy(hint_s + first[n], options.hint_s, (size_t)options.count * sizeof *hint_s);
        choice[n] = best < 0 ? -1 : options.curve[best].row;
        if (share_hz) share_hz[n] = a.share_hz;
        if (best < 0) {
            sums[3] += 1.0;
            continue;
        }
        add(&value, a.value_j);
        sums[1] += fabs(a.value_j);
        sums[2] += a.share_hz;
    }
    sums[0] = sum_of(&value);
    robust_forget(&options);
    return DONE;
}

/* What an option must not lie above to be somebody's best at some price between two: see dual.not_fixed. */
typedef struct {
    double low_j, high_j, slope_low, slope_high, span, corner;
} Ceiling;

/* Of what the best shares at both prices cost there: lines that no bound of these options is above anywhere between. */
static Ceiling ceiling_of(const Answer *low, double low_j, const Answer *high, double high_j, double span) {
    Ceiling c = {low_j, high_j, low->share_hz, high->share_hz, span, 0.0};
    if (c.slope_low > c.slope_high) {
        c.corner = (c.high_j - c.slope_high * span - c.low_j) / (c.slope_low - c.slope_high);
        c.corner = fmin(fmax(c.corner, 0.0), span);
    }
    return c;
}

static double sag_of(const Ceiling *c) {
    const double at = c->corner, most = fmin(c->low_j + c->slope_low * at, c->high_j - c->slope_high * (c->span - at));
    const double sag = most - (c->low_j + (c->high_j - c->low_j) * (at / c->span));
    return fmax(sag, 0.0) + 1e-11 * (fabs(c->low_j) + fabs(c->high_j));
}

static int below(const Ceiling *c, double low_j, double high_j) {
    const double at[3] = {0.0, c->corner, c->span};
    for (int k = 0; k < 3; k++) {
        const double most = fmin(c->low_j + c->slope_low * at[k], c->high_j - c->slope_high * (c->span - at[k]));
        if (low_j + (high_j - low_j) * (at[k] / c->span) <= most * (1.0 + 1e-11)) return 1;
    }
    return 0;
}

/* Keeps what is not proven to be dearer than the best wherever it matters. */
static void drop_beyond(Options *options) {
    int64_t kept = 0;
    for (int64_t k = 0; k < options->count; k++) {
        if (options->beyond[k]) continue;
        options->curve[kept] = options->curve[k];
        options->hint_s[kept++] = options->hint_s[k];
    }
    options->count = kept;
}

/* The options that may be somebody's best between two prices, in the order of users: their number, and `first` of the
   users from `from` on. `rows` has room for all options of these users. Sums are as those of sp_robust_price, of the
   one price and then of the other. */
SP_EXPORT int64_t sp_robust_sweep(const Cell *cell, double low, double high, const double *most_hz, int64_t from,
                                  int64_t to, int64_t *first, int64_t *rows, double *sums) {
    const Cap law = cap_of(cell->cap);
    Options options;
    if (!robust_room(&options, robust_most_options(cell, from, to))) {
        robust_forget(&options);
        return NO_MEMORY;
    }
    Sum value[2] = {{0.0, 0.0}, {0.0, 0.0}};
    for (int k = 0; k < 8; k++) sums[k] = 0.0;
    int64_t kept = 0;
    for (int64_t n = from; n < to; n++) {
        Answer end[2] = {NOTHING, NOTHING};
        int64_t row[2] = {-1, -1};
        double spare = INFINITY, spent[2] = {INFINITY, INFINITY};
        first[n - from] = kept;
        robust_options(cell, &law, n, NULL, 0, &options);
        for (int k = 0; k < 2; k++) {
            const int64_t best =
                robust_best(&law, &options, k ? high : low, k ? 0.0 : high - low, most_hz[n], end + k);
            if (best < 0) {
                sums[4 * k + 3] += 1.0;
                continue;
            }
            add(value + k, end[k].value_j);
            spent[k] = spent_at(options.curve + best, &law, k ? high : low, end + k);
            sums[4 * k + 1] += fabs(end[k].value_j);
            sums[4 * k + 2] += end[k].share_hz;
            row[k] = options.curve[best].row;
            if (k == 0) {
                drop_beyond(&options);
                spare = options.spare_j;
            }
        }
        if (options.count == 0) continue;
        const Ceiling ceiling = ceiling_of(end, spent[0], end + 1, spent[1], high - low);
        /* Above the ceiling's chord by its largest excess at both ends is above the ceiling. */
        const double sag = sag_of(&ceiling);
        if (!(sag <= spare)) robust_options(cell, &law, n, NULL, 0, &options);
        for (int64_t k = 0; k < options.count; k++) {
            const Curve *c = options.curve + k;
            int stays = c->row == row[0] || c->row == row[1];
            if (!stays && below(&ceiling, least_at_least(c, low), least_at_least(c, high))) {
                Answer a = NOTHING;
                a.uplink_s = options.hint_s[k];
                stays = priced(c, &law, low, most_hz[n], ceiling.low_j + sag, &a) ||
                        priced(c, &law, high, most_hz[n], ceiling.high_j + sag, &a);
            }
            if (stays) rows[kept++] = c->row;
        }
    }
    first[to - from] = kept;
    for (int k = 0; k < 2; k++) sums[4 * k] = sum_of(value + k);
    robust_forget(&options);
    return kept;
}

/* What chosen options ask for at a price, and what they need at least; sums are of the shares, of what is beyond the
   least shares, and of the shares times the rates at which they fall with the price. */
SP_EXPORT int64_t sp_robust_respond(const Cell *cell, double price, int64_t from, int64_t to, const int64_t *choice,
                                    double *hint_s, double *share_hz, double *rate, double *least_hz,
                                    double *sums) {
    const Cap law = cap_of(cell->cap);
    sums[0] = sums[1] = sums[2] = 0.0;
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        Answer a = {0.0, 0.0, 0.0, 0.0};
        Curve c;
        if (lay_out(cell, &law, &who, choice[n], &c) && sends(&c)) {
            a.uplink_s = hint_s[n];
            priced(&c, &law, price, 2.0 * cell->bandwidth_hz, INFINITY, &a);
            hint_s[n] = a.uplink_s;
            if (!(least_hz[n] >= 0.0)) least_hz[n] = robust_least_hz(&c, &law);
            a.share_hz = fmax(a.share_hz, least_hz[n]);
            if (a.share_hz == least_hz[n]) a.rate = 0.0;
        } else {
            least_hz[n] = 0.0;
        }
        share_hz[n] = a.share_hz;
        rate[n] = a.rate;
        sums[0] += a.share_hz;
        sums[1] += a.share_hz - least_hz[n];
        sums[2] += a.share_hz * a.rate;
    }
    return DONE;
}

/* What chosen options spend at their shares, all together; infinite where one does not keep its limits. */
SP_EXPORT double sp_robust_energy(const Cell *cell, int64_t from, int64_t to, const int64_t *choice,
                                  const double *share_hz) {
    const Cap law = cap_of(cell->cap);
    double energy = 0.0;
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        Curve c;
        double doubt;
        energy += lay_out(cell, &law, &who, choice[n], &c) ? energy_at(&c, &law, share_hz[n], &doubt) : INFINITY;
    }
    return energy;
}

/* Each user's least energy over its options with one share for everybody; infinite where none keeps its limits. */
SP_EXPORT int64_t sp_robust_equal(const Cell *cell, double each_hz, int64_t from, int64_t to, int64_t *choice,
                                  double *energy_j) {
    const Cap law = cap_of(cell->cap);
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        const int64_t *first = cell->first + cell->workload[n];
        energy_j[n] = INFINITY;
        choice[n] = -1;
        for (int64_t r = first[0]; r < first[1]; r++) {
            Curve c;
            double doubt;
            if (!lay_out(cell, &law, &who, r, &c)) continue;
            if (sends(&c) && robust_least_hz(&c, &law) > each_hz) continue;
            const double energy = energy_at(&c, &law, each_hz, &doubt);
            if (energy < energy_j[n]) {
                energy_j[n] = energy;
                choice[n] = r;
            }
        }
    }
    return DONE;
}

/* One option at a price, as the tests hold it against arithmetic of other makers: value, share, rate, least share,
   energy at its share. */
SP_EXPORT int64_t sp_robust_option(const Cell *cell, int64_t n, int64_t row, double price, double most_hz, double *told) {
    const Cap law = cap_of(cell->cap);
    const Asking who = asking(cell, n);
    Curve c;
    Answer a = NOTHING;
    double doubt;
    if (!lay_out(cell, &law, &who, row, &c)) return 0;
    priced(&c, &law, price, most_hz, INFINITY, &a);
    told[0] = a.value_j;
    told[1] = a.share_hz;
    told[2] = a.rate;
    told[3] = robust_least_hz(&c, &law);
    told[4] = sends(&c) ? energy_at(&c, &law, a.share_hz, &doubt) : computing_j(&c, clock_at(&c, 0.0));
    return 1;
}
