#include "robust_curves.h"

#include <stdlib.h>

enum { STEPS = 100 };

/* A part of itself that a share may be moved by at once: it is good to the square of that. */
static const double CLOSE = 1e-7;

double robust_least_hz(const Curve *c, const Cap *law) {
    if (!sends(c)) return 0.0;
    return c->scale_hz / snr_at_stretch(law, (c->most_s - c->unit_s) / c->unit_s) * (1.0 + PAD);
}

/* Between the kink and the least share a second more for the cycles saves M - W watts, so that the share is one of
   the price over M. What a time `uplink` promises by its tangent is a bound, whatever that time:
   computing_j - (M - W) uplink + M unit G(price/M). */
typedef struct {
    double uplink_s, per_cycles, per_price; /* unit/(price scale) */
    double computing_j, lent_j; /* the latter: (M - W) uplink */
    double watts, spare, stiffness;
} Tangent;

static void lean(const Curve *c, Tangent *t, double uplink) {
    const double slack = larger(c->left_s - uplink, 0.5 * c->cycles / c->fast_hz + NO_TIME), alpha = c->exponent;
    double clock = c->cycles / slack, time = slack;
    if (clock < c->slow_hz || clock > c->fast_hz) {
        clock = clock < c->slow_hz ? c->slow_hz : c->fast_hz;
        time = c->cycles / clock;
    }
    const double power = power_at(c, clock), part = clock * t->per_cycles, stretch = c->overhead_s * part;
    t->uplink_s = uplink;
    t->spare = larger(power * ((alpha - 1.0) + alpha * stretch) - c->static_w, 0.0);
    t->stiffness = power * alpha * ((alpha - 1.0) + (alpha + 1.0) * stretch) * part;
    t->watts = c->watts + t->spare;
    t->computing_j = (c->static_w + power) * (time + c->overhead_s) + c->constant_j;
    t->lent_j = t->spare * uplink;
}

/* The share that the price asks for by a tangent, and what follows. */
typedef struct {
    Snr at;
    double value_j, uplink_s, stiff;
    double step; /* Newton's, to the time where the tangent's share takes just that time */
} Tried;

static Tried tried(const Curve *c, const Cap *law, const Tangent *t) {
    const double per_z = t->watts * t->per_price, z = 1.0 / per_z;
    Tried found;
    found.at = snr_at_price(law, z);
    const double per_s = 1.0 / found.at.s, off = found.at.psi - z;
    /* No less than lost_at, which asks for the smaller of the two. */
    const double lost = fabs(off) <= 1e-3 * z ? 1.002 * off * off * per_z * per_s : lost_at(&found.at, z);
    const double uplink = t->watts * c->unit_s * (found.at.stretch + z * per_s);
    found.value_j = t->computing_j - t->lent_j + uplink - t->watts * c->unit_s * lost - c->doubt_j -
                    c->error_s * t->spare - OF_TERMS * (t->computing_j + t->lent_j + uplink);
    found.uplink_s = c->unit_s * found.at.stretch;
    /* d time/d ln z is unit psi/s times the rate. */
    found.stiff = c->unit_s * found.at.psi * per_s * found.at.rate * t->stiffness / t->watts;
    found.step = (found.uplink_s - t->uplink_s) / (1.0 + found.stiff);
    return found;
}

static void settle(const Curve *c, const Cap *law, const Tangent *t, const Tried *found, Answer *a) {
    const Snr *at = &found->at;
    /* Where the clock is stiff the time tells the share better than M does. */
    const double moved = found->step * found->stiff * at->s / (c->unit_s * at->psi);
    a->value_j = found->value_j;
    a->uplink_s = t->uplink_s + found->step;
    a->rate = at->rate / (1.0 + found->stiff);
    a->drift_s = c->unit_s * at->psi / at->s * a->rate;
    a->slope_hz = c->scale_hz / at->s;
    if (!(fabs(moved) < CLOSE)) { /* times next to each other are far apart for the clock: the share of the time itself */
        const double uplink = larger(a->uplink_s, c->unit_s * (1.0 + PAD));
        a->share_hz = c->scale_hz / snr_at_stretch(law, (uplink - c->unit_s) / c->unit_s);
        return;
    }
    a->share_hz = c->scale_hz / (polished(at, 1.0 / (t->watts * t->per_price)) * (1.0 - moved));
}

/* Whether a chord of the tangent, had for less, tells that it is above the cut. */
static int chord_is_above(const Curve *c, const Tangent *t, const Cut *cut) {
    const double z = 1.0 / (t->watts * t->per_price), worth = t->watts * c->unit_s;
    for (int k = 0; k <= cut->wide; k++) {
        const double uplink = worth * cost_at_least(z * cut->part[k]);
        const double value = t->computing_j - t->lent_j + uplink - c->doubt_j - c->error_s * t->spare -
                             2.0 * OF_TERMS * (t->computing_j + t->lent_j + uplink);
        if (!(value > cut->at_j[k])) return 0;
    }
    return 1;
}

static void begin(const Curve *c, double price, double uplink, Tangent *t) {
    t->per_cycles = 1.0 / c->cycles;
    t->per_price = c->unit_s / (price * c->scale_hz);
    lean(c, t, uplink);
}

int robust_is_above_chord(const Curve *c, double price, double uplink_s, const Cut *cut) {
    Tangent t;
    begin(c, price, smaller(larger(uplink_s, larger(c->kink_s, c->unit_s)), c->most_s), &t);
    return chord_is_above(c, &t, cut);
}

int robust_free_clock(const Curve *c, const Cap *law, double price, const Cut *cut, Answer *a) {
    const double kink = larger(c->kink_s, c->unit_s), most = c->most_s;
    double low = kink, high = most;
    Tangent t;
    int settled = 0;
    begin(c, price, a->uplink_s > low && a->uplink_s < high ? a->uplink_s : low + 0.6 * (high - low), &t);
    for (int k = 0; k < STEPS; k++) {
        if (k < 2 && cut->at_j[0] < INFINITY && chord_is_above(c, &t, cut)) {
            a->uplink_s = t.uplink_s; /* what discards it once may do so again */
            return ABOVE;
        }
        const Tried at = tried(c, law, &t);
        if (is_above(cut, at.value_j, c->scale_hz / at.at.s)) {
            a->uplink_s = t.uplink_s;
            return ABOVE;
        }
        const double near = smaller(t.uplink_s, c->left_s - t.uplink_s);
        if (settled || fabs(at.step) <= CLOSE * near || high - low <= 4e-16 * high) {
            settle(c, law, &t, &at, a);
            return FOUND;
        }
        if (at.step > 0.0) low = t.uplink_s;
        else high = t.uplink_s;
        double next = t.uplink_s + at.step;
        /* A step beyond an end may mean that the end is the answer. */
        const int least = next >= high && high == most, first = next <= low && low == kink && c->kink_s > c->unit_s;
        if (least || first) {
            Tangent end = t;
            lean(c, &end, least ? most : kink);
            const double asked = tried(c, law, &end).uplink_s;
            if (least && asked >= most) {
                at_end(c, law, price, most, 1, a);
                return FOUND;
            }
            if (first && asked <= kink) return SLOW;
        }
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        else settled = fabs(at.step) <= 3e-5 * near;
        lean(c, &t, next);
    }
    const Tried at = tried(c, law, &t);
    settle(c, law, &t, &at, a);
    return FOUND;
}

int64_t robust_most_options(const Cell *cell, int64_t from, int64_t to) {
    int64_t most = 0;
    for (int64_t n = from; n < to; n++) {
        const int64_t *first = cell->first + cell->workload[n];
        if (first[1] - first[0] > most) most = first[1] - first[0];
    }
    return most;
}

int robust_room(Options *options, int64_t most) {
    const size_t size = most > 0 ? (size_t)most : 1;
    options->count = 0;
    options->curve = malloc(size * sizeof *options->curve);
    options->bound_j = malloc(size * sizeof *options->bound_j);
    options->hint_s = malloc(size * sizeof *options->hint_s);
    return options->curve != NULL && options->bound_j != NULL && options->hint_s != NULL;
}

void robust_forget(Options *options) {
    free(options->curve);
    free(options->bound_j);
    free(options->hint_s);
}

void robust_options(const Cell *cell, const Cap *law, int64_t n, const int64_t *rows, int64_t count, Options *options) {
    const Asking who = asking(cell, n);
    options->count = 0;
    if (rows == NULL) {
        const int64_t *first = cell->first + cell->workload[n];
        for (int64_t r = first[0]; r < first[1]; r++)
            options->count += lay_out(cell, law, &who, r, options->curve + options->count);
    } else {
        for (int64_t k = 0; k < count; k++)
            options->count += lay_out(cell, law, &who, rows[k], options->curve + options->count);
    }
    for (int64_t k = 0; k < options->count; k++) options->hint_s[k] = 0.0;
}

int64_t robust_best(const Cap *law, Options *options, double price, double most_hz, Answer *a) {
    int64_t first = 0, best = -1;
    double cut = INFINITY, clock = 0.0;
    /* By far most are ruled out by the bound of all shares, once the most promising one is known. */
    for (int64_t k = 0; k < options->count; k++) {
        options->bound_j[k] = options->count > 1 && price > 0.0 ? least_at_least(options->curve + k, price) : 0.0;
        if (options->bound_j[k] < options->bound_j[first]) first = k;
    }
    for (int64_t j = -1; j < options->count; j++) {
        const int64_t k = j < 0 ? first : j;
        if (k >= options->count || j == first || options->bound_j[k] > cut) continue;
        const Curve *c = options->curve + k;
        Answer other = NOTHING;
        /* Other cuts of the same device are often best at a clock near that of the best so far. */
        const double hint = options->hint_s[k];
        other.uplink_s = hint > 0.0 || clock == 0.0 ? hint : c->left_s - c->cycles / clock;
        const int found = priced(c, law, price, most_hz, cut, &other);
        options->hint_s[k] = other.uplink_s;
        if (!found || (best >= 0 && other.value_j == cut && k > best)) continue;
        best = k;
        cut = other.value_j;
        *a = other;
        if (j < 0 && a->uplink_s > 0.0) clock = clock_at(c, a->uplink_s);
    }
    return best;
}
