#include "robust_curves.h"

#include <stdlib.h>

enum { STEPS = 100 };

double robust_least_hz(const Curve *c, const Cap *law) {
    if (!sends(c)) return 0.0;
    return c->scale_hz / snr_at_stretch(law, (c->most_s - c->unit_s) / c->unit_s) * (1.0 + PAD);
}

/* Between the kink and the least share a second more for the cycles saves M - W watts, so that the share is one of
   the price over M. What a time `uplink` promises by its tangent is a bound, whatever that time:
   computing_j - (M - W) uplink + M unit G(price/M). */
typedef struct {
    double value_j, share_hz, rate;
    double uplink_s; /* that the price asks for at this M */
    double step;     /* Newton's, to the time where both agree */
} Tried;

static Tried tried(const Curve *c, const Cap *law, double price, double uplink) {
    double stiffness;
    const double clock = clock_at(c, uplink), spare = clock_power(c, clock, &stiffness), watts = c->watts + spare;
    const double z = price * c->scale_hz / (watts * c->unit_s);
    const Snr at = snr_at_price(law, z);
    const double moves = c->unit_s * at.psi / at.s * at.rate; /* d time/d ln z */
    const double stiff = moves * stiffness / watts;
    Tried found;
    found.uplink_s = c->unit_s * at.stretch;
    found.step = (found.uplink_s - uplink) / (1.0 + stiff);
    /* Where the clock is stiff the time tells the share better than M does. */
    found.share_hz = c->scale_hz / (polished(&at, z) * (1.0 - found.step * stiff * at.s / (c->unit_s * at.psi)));
    found.rate = at.rate / (1.0 + stiff);
    found.value_j = computing_j(c, clock) - spare * uplink +
                    watts * c->unit_s * (at.stretch + z / at.s - lost_at(&at, z)) - c->doubt_j - c->error_s * spare;
    return found;
}

int robust_free_clock(const Curve *c, const Cap *law, double price, double cut_j, Answer *a) {
    const double kink = fmax(c->kink_s, c->unit_s), most = c->most_s;
    double low = kink, high = most;
    double uplink = low + 0.6 * (high - low);
    int settled = 0;
    for (int k = 0; k < STEPS; k++) {
        const Tried at = tried(c, law, price, uplink);
        if (at.value_j > cut_j) return 0;
        if (settled || high - low <= 4e-16 * high) {
            a->value_j = at.value_j;
            a->share_hz = at.share_hz;
            a->rate = at.rate;
            return 1;
        }
        if (at.step > 0.0) low = uplink;
        else high = uplink;
        double next = uplink + at.step;
        /* A step beyond an end may mean that the end is the answer. */
        if (next >= high && high == most && tried(c, law, price, most).uplink_s >= most) {
            at_end(c, law, price, most, 1, a);
            return a->value_j <= cut_j;
        }
        if (next <= low && low == kink && c->kink_s > c->unit_s && tried(c, law, price, kink).uplink_s <= kink) {
            at_end(c, law, price, kink, 0, a);
            return a->value_j <= cut_j;
        }
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        else settled = fabs(at.step) <= 1e-7 * fmin(uplink, c->left_s - uplink);
        uplink = next;
    }
    const Tried at = tried(c, law, price, uplink);
    a->value_j = at.value_j;
    a->share_hz = at.share_hz;
    a->rate = at.rate;
    return at.value_j <= cut_j;
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
    return options->curve != NULL && options->bound_j != NULL;
}

void robust_forget(Options *options) {
    free(options->curve);
    free(options->bound_j);
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
}

int64_t robust_best(const Cap *law, Options *options, double price, double most_hz, Answer *a) {
    int64_t best = -1;
    double cut = INFINITY;
    if (options->count > 1 && price > 0.0) {
        int64_t lowest = 0;
        for (int64_t k = 0; k < options->count; k++) {
            options->bound_j[k] = least_at_least(options->curve + k, price);
            if (options->bound_j[k] < options->bound_j[lowest]) lowest = k;
        }
        if (priced(options->curve + lowest, law, price, most_hz, INFINITY, a)) {
            best = lowest;
            cut = a->value_j;
        }
    } else {
        for (int64_t k = 0; k < options->count; k++) options->bound_j[k] = 0.0;
    }
    for (int64_t k = 0; k < options->count; k++) {
        Answer other;
        if (k == best || options->bound_j[k] > cut) continue;
        if (!priced(options->curve + k, law, price, most_hz, cut, &other)) continue;
        if (best >= 0 && other.value_j == cut && k > best) continue;
        best = k;
        cut = other.value_j;
        *a = other;
    }
    return best;
}
