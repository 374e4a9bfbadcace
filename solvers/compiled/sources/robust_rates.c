#include "robust_rates.h"

Fit robust_snr_at_price, robust_snr_at_stretch;
double robust_cost_at_price[((int64_t)OCTAVES << CHORD_BITS) + 1];

enum { NEWTON_STEPS = 80 };

/* ln psi is close to a straight line of slope 2 in x = ln s. */
double robust_slow_snr_at_price(double z) {
    const double target = log(z);
    double x = 0.5 * (target + log(2.0));
    if (x > 1.0) x = 0.5 * (target + log(x));
    for (int k = 0; k < NEWTON_STEPS; k++) {
        const double s = exp(x), l = log1p(s), difference = bend(s, l), ratio = s / (1.0 + s);
        const double value = 2.0 * x + log(difference / (l * l));
        const double slope = 2.0 + ratio * (ratio / difference - 2.0 / l);
        const double step = (value - target) / slope;
        x -= step;
        if (fabs(step) <= 4e-16 * larger(1.0, fabs(x))) break;
    }
    return exp(x);
}

/* And so is the logarithm of s/ln(1 + s) - 1. */
double robust_slow_snr_at_stretch(double excess) {
    const double target = log(excess);
    double x = log(2.0) + target + log1p(log1p(excess));
    for (int k = 0; k < NEWTON_STEPS; k++) {
        const double s = exp(x), l = log1p(s), ratio = stretch_less_one(s, l);
        const double slope = bend(s, l) / l * (1.0 + ratio) / ratio;
        const double step = (log(ratio) - target) / slope;
        x -= step;
        if (fabs(step) <= 4e-16 * larger(1.0, fabs(x))) break;
    }
    return exp(x);
}

static double begin_of(int64_t cell, int bits) {
    const int64_t per = INT64_C(1) << bits;
    return ldexp(1.0 + (double)(cell % per) / (double)per, (int)(cell / per) + FIRST_OCTAVE);
}

/* The matrix that takes values at Chebyshev's nodes of [0, 1] to coefficients. */
static void invert_nodes(double node[FIT], double inverse[FIT][FIT]) {
    double a[FIT][2 * FIT];
    for (int i = 0; i < FIT; i++) {
        node[i] = 0.5 - 0.5 * cos(3.14159265358979323846 * (i + 0.5) / FIT);
        double power = 1.0;
        for (int j = 0; j < FIT; j++, power *= node[i]) {
            a[i][j] = power;
            a[i][FIT + j] = i == j ? 1.0 : 0.0;
        }
    }
    for (int j = 0; j < FIT; j++) {
        int pivot = j;
        for (int i = j + 1; i < FIT; i++)
            if (fabs(a[i][j]) > fabs(a[pivot][j])) pivot = i;
        for (int k = 0; k < 2 * FIT; k++) {
            const double swapped = a[j][k];
            a[j][k] = a[pivot][k];
            a[pivot][k] = swapped;
        }
        const double scale = 1.0 / a[j][j];
        for (int k = 0; k < 2 * FIT; k++) a[j][k] *= scale;
        for (int i = 0; i < FIT; i++) {
            const double factor = a[i][j];
            if (i == j || factor == 0.0) continue;
            for (int k = 0; k < 2 * FIT; k++) a[i][k] -= factor * a[j][k];
        }
    }
    for (int i = 0; i < FIT; i++) memcpy(inverse[i], a[i] + FIT, sizeof inverse[i]);
}

static void fill(Fit *table, double (*slow)(double)) {
    double node[FIT], inverse[FIT][FIT];
    invert_nodes(node, inverse);
    for (int64_t cell = 0; cell < (int64_t)OCTAVES << FIT_BITS; cell++) {
        const double from = begin_of(cell, FIT_BITS), width = begin_of(cell + 1, FIT_BITS) - from;
        double value[FIT];
        for (int i = 0; i < FIT; i++) value[i] = slow(from + node[i] * width);
        for (int j = 0; j < FIT; j++) {
            double sum = 0.0;
            for (int i = 0; i < FIT; i++) sum += inverse[j][i] * value[i];
            table->fit[cell][j] = sum;
        }
    }
}

void robust_fill_tables(void) {
    const Cap none = cap_of(INFINITY);
    fill(&robust_snr_at_price, robust_slow_snr_at_price);
    fill(&robust_snr_at_stretch, robust_slow_snr_at_stretch);
    for (int64_t cell = 0; cell <= (int64_t)OCTAVES << CHORD_BITS; cell++) {
        const double z = begin_of(cell, CHORD_BITS);
        const Snr at = snr_at(&none, fitted(&robust_snr_at_price, z, robust_slow_snr_at_price));
        robust_cost_at_price[cell] = (at.stretch + z / at.s - lost_at(&at, z)) * (1.0 - 1e-14);
    }
}
