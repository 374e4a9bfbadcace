/* How long the uplink takes over a share, and what a price makes of it: solvers/robust/solve/rates.py.

   With s the signal-to-noise ratio over the share, the uplink takes unit * s/min(ln(1 + s), cap), and one more hertz
   saves unit/scale * psi(s) of it. At the price z (of a hertz, in units of watts * unit/scale) the cheapest share has
   psi(s) = z, and costs G(z) = min over s of s/min(ln(1 + s), cap) + z/s. */
#ifndef SP_ROBUST_RATES_H
#define SP_ROBUST_RATES_H

#include <math.h>
#include <stdint.h>
#include <string.h>

/* One instruction each, unlike fmax and fmin: the second number where the first is none. */
static inline double larger(double a, double b) { return a > b ? a : b; }
static inline double smaller(double a, double b) { return a < b ? a : b; }

/* Tables are indexed by the leading bits of a double: so many octaves, 2^BITS cells each. */
enum { FIRST_OCTAVE = -64, OCTAVES = 192, FIT_BITS = 3, CHORD_BITS = 6, FIT = 6 };

typedef struct {
    double fit[(int64_t)OCTAVES << FIT_BITS][FIT]; /* coefficients in the part of a cell */
} Fit;

extern Fit robust_snr_at_price;   /* s where psi(s) = z */
extern Fit robust_snr_at_stretch; /* s where s/ln(1 + s) = 1 + e */
extern double robust_cost_at_price[((int64_t)OCTAVES << CHORD_BITS) + 1]; /* G(z), rounded down */

void robust_fill_tables(void);
double robust_slow_snr_at_price(double z);
double robust_slow_snr_at_stretch(double excess);

/* ln(1 + s) - s/(1 + s), which cancels for small s: there its series. */
static inline double bend(double s, double log1ps) {
    if (s >= 1e-2) return log1ps - s / (1.0 + s);
    double t = 5.0 / 6 + s * (-6.0 / 7 + s * (7.0 / 8 + s * (-8.0 / 9)));
    return s * s * (0.5 + s * (-2.0 / 3 + s * (3.0 / 4 + s * (-4.0 / 5 + s * t))));
}

/* s/ln(1 + s) - 1, which cancels for small s: there Gregory's series. */
static inline double stretch_less_one(double s, double log1ps) {
    if (s >= 2e-3) return s / log1ps - 1.0;
    return s * (1.0 / 2 + s * (-1.0 / 12 + s * (1.0 / 24 + s * (-19.0 / 720 + s * (3.0 / 160)))));
}

static inline int64_t cell_of(double value, int bits, double *part) {
    int64_t word;
    memcpy(&word, &value, sizeof word);
    const int64_t below = (INT64_C(1) << (52 - bits)) - 1;
    *part = (double)(word & below) * (1.0 / (double)(below + 1));
    return (word >> (52 - bits)) - ((INT64_C(1023) + FIRST_OCTAVE) << bits);
}

static inline double fitted(const Fit *table, double value, double (*slow)(double)) {
    double u;
    const int64_t cell = cell_of(value, FIT_BITS, &u);
    if (cell < 0 || cell >= ((int64_t)OCTAVES << FIT_BITS)) return slow(value);
    const double *c = table->fit[cell];
    return c[0] + u * (c[1] + u * (c[2] + u * (c[3] + u * (c[4] + u * c[5]))));
}

/* A lower bound on G: it is concave, so it lies above its chords; without a cap it is no larger than with one. */
static inline double cost_at_least(double z) {
    double u;
    const int64_t cell = cell_of(z, CHORD_BITS, &u);
    if (cell < 0) return 1.0;
    if (cell >= ((int64_t)OCTAVES << CHORD_BITS)) return robust_cost_at_price[(int64_t)OCTAVES << CHORD_BITS];
    const double *g = robust_cost_at_price + cell;
    return g[0] + (g[1] - g[0]) * u;
}

/* The law's cap, with what is asked of it again and again. */
typedef struct {
    double cap;           /* infinite where there is none */
    double snr;           /* s where it begins */
    double before, after; /* psi to both sides of it */
} Cap;

static inline Cap cap_of(double cap) {
    Cap law = {cap, INFINITY, INFINITY, INFINITY};
    if (isfinite(cap)) {
        law.snr = expm1(cap);
        const double stretch = law.snr / cap;
        law.before = stretch * stretch * bend(law.snr, cap);
        law.after = law.snr * law.snr / cap;
    }
    return law;
}

/* A share, as the signal-to-noise ratio over it. */
typedef struct {
    double s;
    double stretch; /* uplink time over that of unlimited bandwidth */
    double psi;
    double rate; /* d ln s/d ln z; 0 where s does not move */
} Snr;

static inline Snr snr_at(const Cap *law, double s) {
    Snr at = {s, 0.0, 0.0, 0.5};
    if (s >= law->snr) {
        at.stretch = s / law->cap;
        at.psi = s * at.stretch;
        return at;
    }
    const double l = log1p(s), per_l = 1.0 / l, ratio = s / (1.0 + s);
    const double difference = s >= 1e-2 ? l - ratio : bend(s, l);
    at.stretch = s * per_l;
    at.psi = at.stretch * at.stretch * difference;
    at.rate = difference / (2.0 * difference + ratio * (ratio - 2.0 * per_l * difference));
    return at;
}

/* The cheapest share at a price: good to a billionth, which costs the square of it (`lost_at`). */
static inline Snr snr_at_price(const Cap *law, double z) {
    if (z <= law->before) return snr_at(law, fitted(&robust_snr_at_price, z, robust_slow_snr_at_price));
    if (z >= law->after) {
        const double s = sqrt(z * law->cap);
        const Snr at = {s, s / law->cap, z, 0.5};
        return at;
    }
    const Snr at = {law->snr, law->snr / law->cap, z, 0.0};
    return at;
}

/* What G(z) may lie below stretch + z/s at most. -dE/db falls at least as fast as 1/b, so the cheapest share is no
   further from this one than their ratio. */
static inline double lost_at(const Snr *at, double z) {
    const double off = at->psi - z;
    return off == 0.0 ? 0.0 : off * off / (smaller(at->psi, z) * at->s);
}

/* One Newton step on: good to rounding. */
static inline double polished(const Snr *at, double z) { return at->s * (1.0 + at->rate * (z / at->psi - 1.0)); }

/* s where the uplink takes unit * (1 + excess). */
static inline double snr_at_stretch(const Cap *law, double excess) {
    if (isfinite(law->cap) && (1.0 + excess) * law->cap >= law->snr) return (1.0 + excess) * law->cap;
    const double s = fitted(&robust_snr_at_stretch, excess, robust_slow_snr_at_stretch), l = log1p(s);
    const double ratio = stretch_less_one(s, l);
    return s - (ratio - excess) * l * l / bend(s, l);
}

#endif
