/* The options of a cell, each a convex curve of its share, and what each asks for at a price: what
   solvers/robust/budget.py, candidates.py, spending.py, energies.py and curves.py lay out as arrays, one at a time. */
#ifndef SP_ROBUST_CURVES_H
#define SP_ROBUST_CURVES_H

#include <stddef.h>

#include "robust_rates.h"

/* The same numbers as in Python: curves.PAD, shares.ROUNDING and spending.TIME_ERROR. */
#define PAD 1e-13
#define ROUNDING 1e-14
#define TIME_ERROR (8 * 0x1p-52)
#define NO_TIME 1e-300

/* A row of the workload table, with what no user changes. Filled in by solvers/robust/solve/kernel/cell.py. */
typedef struct {
    double cycles, overhead_s, slow_hz, fast_hz; /* slow_hz: cheapest clock that the device has */
    double slow_s, fast_s, slow_j;               /* time for the cycles at each; energy at the slow one */
    double unit_hz;                              /* uplink time without limits, times the scale: bits ln2/efficiency */
    double fixed_s, margin_s;                    /* margin_s: of the option's own where the margin is one of options */
    double variance_s2, cross_s2;                /* at the largest variance of the device; cross: times the correlation */
    double variance_low_s2, cross_low_s2;        /* and at the smallest */
    double kappa, exponent, static_w, constant_j, standby_w;
    double part;                                 /* expected bits of the most that may cross */
    double device_std_s;                         /* of the device alone, for stages; or its excess */
    double loss;
    double allowed;
} Row;

typedef struct {
    double scale_hz, radio_w, deadline_s, factor, correlation;
    double weight, period_s, max_loss;
} User;

typedef struct {
    int64_t users;
    const int64_t *first;    /* (workloads + 1,) */
    const int64_t *workload; /* (users,) */
    const Row *row;
    const User *user;
    double bandwidth_hz, cap;
    int64_t of_options; /* the margin is each option's own number */
    int64_t streams;
} Cell;

/* One option of one user. */
typedef struct {
    double scale_hz, watts, unit_s, left_s, cycles, overhead_s, kappa, exponent, static_w, constant_j;
    double slow_hz, fast_hz;
    double most_s, kink_s; /* uplink time at the least share; beyond which the clock leaves its least */
    double slow_j;         /* energy but for the uplink while the clock is at its least */
    double error_s, doubt_j;
    int64_t row;
} Curve;

/* What a curve answers to a price. */
typedef struct {
    double value_j; /* proven: the least of E + price b is no lower */
    double share_hz;
    double rate; /* -d ln share/d ln price; 0 where the share does not move */
    double uplink_s; /* where the clock is free; before that, where to begin to look for it, if it is inside */
} Answer;
#define NOTHING ((Answer){INFINITY, 0.0, 0.0, 0.0})

static inline double power_at(const Curve *c, double clock) {
    return c->kappa * (c->exponent == 3.0 ? clock * clock * clock : pow(clock, c->exponent));
}

static inline double computing_j(const Curve *c, double clock) {
    return (c->static_w + power_at(c, clock)) * (c->cycles / clock + c->overhead_s) + c->constant_j;
}

/* What a second more for the cycles saves, were the clock free; `stiffness` is its derivative in that time. */
static inline double clock_power(const Curve *c, double clock, double *stiffness) {
    *stiffness = 0.0;
    if (c->cycles <= 0.0) return 0.0;
    const double power = power_at(c, clock), alpha = c->exponent, stretch = c->overhead_s * clock / c->cycles;
    *stiffness = power * alpha * ((alpha - 1.0) + (alpha + 1.0) * stretch) * (clock / c->cycles);
    return fmax(power * ((alpha - 1.0) + alpha * stretch) - c->static_w, 0.0);
}

static inline double clock_at(const Curve *c, double uplink_s) {
    const double slack = fmax(c->left_s - uplink_s, 0.5 * c->cycles / c->fast_hz + NO_TIME);
    return fmin(fmax(c->cycles / slack, c->slow_hz), c->fast_hz);
}

static inline int sends(const Curve *c) { return c->unit_s > 0.0; }

/* A user, with what all its options share. */
typedef struct {
    const User *of;
    double whole; /* stretch of the uplink time over the whole uplink */
    double per_scale;
} Asking;

static inline Asking asking(const Cell *cell, int64_t n) {
    const double s = cell->user[n].scale_hz / cell->bandwidth_hz;
    const Asking who = {cell->user + n, s / fmin(log1p(s), cell->cap), 1.0 / cell->user[n].scale_hz};
    return who;
}

double robust_least_hz(const Curve *c, const Cap *law);

/* The option of a user at a row; 0 where it cannot keep its limits with the whole uplink to itself. */
static inline int lay_out(const Cell *cell, const Cap *law, const Asking *who, int64_t r, Curve *c) {
    const Row *row = cell->row + r;
    const User *user = who->of;
    if (row->allowed == 0.0 || row->loss > user->max_loss) return 0;
    double margin = row->margin_s;
    if (!cell->of_options) {
        const double high = row->variance_s2 + user->correlation * row->cross_s2;
        const double low = row->variance_low_s2 + user->correlation * row->cross_low_s2;
        margin = user->factor * sqrt(fmax(fmax(high, low), 0.0));
    }
    const double left = user->deadline_s - row->fixed_s - margin, fastest = row->fast_s;
    const double unit = row->unit_hz * who->per_scale;
    double most = left - fastest, slow = row->slow_hz, slow_s = row->slow_s, doubt = 0.0, weight = user->weight;
    c->kappa = row->kappa * weight;
    c->static_w = row->static_w * weight;
    c->exponent = row->exponent;
    c->cycles = row->cycles;
    c->overhead_s = row->overhead_s;
    if (cell->streams) {
        const double beside = cell->of_options ? row->device_std_s : user->factor * row->device_std_s;
        const double cycles_s = user->period_s - row->overhead_s - beside;
        if (!(cycles_s >= fastest)) return 0;
        if (unit > 0.0) most = fmin(most, user->period_s);
        if (row->cycles > 0.0) {
            const double least = fmin(row->cycles / fmax(cycles_s, 0.0), row->fast_hz);
            if (least > slow) {
                double stiffness;
                const double error = TIME_ERROR * (user->period_s + row->overhead_s + fabs(beside));
                doubt = error * clock_power(c, least, &stiffness);
                slow = least;
                slow_s = row->cycles / least;
            }
        }
    }
    if (unit > 0.0 ? !(most > unit) : !(most >= 0.0)) return 0;
    c->scale_hz = user->scale_hz;
    c->unit_s = unit;
    c->watts = (user->radio_w + row->standby_w) * weight * row->part;
    c->left_s = left;
    c->constant_j = row->constant_j * weight;
    c->slow_hz = slow;
    c->fast_hz = row->fast_hz;
    c->most_s = most;
    c->kink_s = row->cycles > 0.0 ? left - slow_s : most;
    c->error_s = TIME_ERROR * (user->deadline_s + row->fixed_s + fabs(margin));
    c->doubt_j = doubt;
    c->slow_j = slow == row->slow_hz ? row->slow_j * weight : computing_j(c, slow);
    c->row = r;
    if (unit > 0.0) {
        const double at_whole = unit * who->whole;
        if (at_whole > most * (1.0 - 1e-11) &&
            (at_whole > most * (1.0 + 1e-11) || robust_least_hz(c, law) > cell->bandwidth_hz))
            return 0;
    }
    return 1;
}

/* Least energy at the price of the share that takes some time `uplink_s`, an end of what is allowed or a kink: `most`
   hertz or the least share, or where the clock leaves its least. Slopes to both sides bracket the price there, but for
   rounding, which costs its square. */
static inline void at_end(const Curve *c, const Cap *law, double price, double uplink_s, int least, Answer *a) {
    const double s = snr_at_stretch(law, (uplink_s - c->unit_s) / c->unit_s);
    const Snr at = snr_at(law, s);
    const double per_watt = at.psi * c->unit_s / c->scale_hz;
    double stiffness, clock = least ? clock_at(c, uplink_s) : c->slow_hz;
    const double watts = clock_power(c, clock, &stiffness);
    const double asked = price / per_watt - c->watts;
    const int free = least ? clock > c->slow_hz : 1;
    /* Where the price asks for another share than this one. */
    double off = least ? fmin(asked - (free ? watts : 0.0), 0.0) : asked < 0.0 ? asked : fmax(asked - watts, 0.0);
    const double doubt = c->error_s * fmax(fmax(asked, free && least ? watts : 0.0), 0.0);
    a->share_hz = c->scale_hz / s * (least ? 1.0 + PAD : 1.0);
    a->rate = 0.0;
    off *= per_watt;
    const double lost = off == 0.0 ? 0.0 : off * off / fmax(price - fmax(off, 0.0), NO_TIME) * a->share_hz;
    a->value_j = (least ? computing_j(c, clock) : c->slow_j) + c->watts * uplink_s + price * a->share_hz - c->doubt_j -
                 doubt - lost - (least ? 2.0 * PAD * price * a->share_hz : 0.0);
}

/* Energy over a share, and what one more hertz saves. */
static inline double energy_at(const Curve *c, const Cap *law, double share_hz, double *doubt_j) {
    double uplink = 0.0;
    if (sends(c)) {
        const double s = c->scale_hz / share_hz;
        uplink = c->unit_s * (s / fmin(log1p(s), law->cap));
    }
    const double clock = clock_at(c, uplink);
    double stiffness;
    *doubt_j = c->doubt_j + (clock > c->slow_hz ? c->error_s * clock_power(c, clock, &stiffness) : 0.0);
    return computing_j(c, clock) + c->watts * uplink;
}

/* A lower bound on the least of E + price b over all shares: the clock at its least for all of them. */
static inline double least_at_least(const Curve *c, double price) {
    const double paid = c->watts * c->unit_s;
    const double uplink = sends(c) ? paid * cost_at_least(price * c->scale_hz / paid) : 0.0;
    return (c->slow_j + uplink) * (1.0 - 1e-14) - c->doubt_j;
}

int robust_free_clock(const Curve *c, const Cap *law, double price, double cut_j, Answer *a);

/* Least of E + price b over the shares up to `most_hz`; 0, and no answer, where that is proven to be beyond `cut_j`.
   Any price of 0 asks for all that is allowed. */
static inline int priced(const Curve *c, const Cap *law, double price, double most_hz, double cut_j, Answer *a) {
    double doubt;
    if (!sends(c)) {
        a->share_hz = a->rate = 0.0;
        a->value_j = energy_at(c, law, 1.0, &doubt) - doubt;
        return a->value_j <= cut_j;
    }
    if (price > 0.0) {
        const double per_watt = c->unit_s / c->scale_hz, z = price / (c->watts * per_watt);
        const double paid = c->watts * c->unit_s;
        if (cut_j < INFINITY && least_at_least(c, price) > cut_j) return 0;
        const Snr at = snr_at_price(law, z);
        const double uplink = c->unit_s * at.stretch;
        if (uplink <= c->kink_s && uplink <= c->most_s) {
            const double s = polished(&at, z);
            a->share_hz = c->scale_hz / s;
            a->rate = at.rate;
            a->value_j = c->slow_j + paid * (at.stretch + z / at.s - lost_at(&at, z)) - c->doubt_j;
        } else if (c->kink_s >= c->most_s) {
            at_end(c, law, price, c->most_s, 1, a);
        } else if (!robust_free_clock(c, law, price, cut_j, a)) {
            return 0;
        }
        if (a->share_hz <= most_hz) return a->value_j <= cut_j;
    }
    /* All that is allowed, and no less than the least: the curve falls all the way there. */
    const double least = robust_least_hz(c, law);
    a->share_hz = fmax(least, most_hz);
    a->rate = 0.0;
    a->value_j = energy_at(c, law, a->share_hz, &doubt) - doubt + price * a->share_hz * (1.0 - 2.0 * PAD);
    return a->value_j <= cut_j;
}

/* Every option of one user that keeps its limits; room for those of the largest workload. */
typedef struct {
    int64_t count;
    Curve *curve;
    double *bound_j;
    double *hint_s; /* where each was found last, to begin there */
    double spare_j;
    uint8_t *beyond; /* whether each is proven to be dearer than the best, by more than was asked */
} Options;

int64_t robust_most_options(const Cell *cell, int64_t from, int64_t to);
int robust_room(Options *options, int64_t most);
void robust_forget(Options *options);
/* `rows` of them, or those of the workload where there are none; nothing is known of where they are. */
void robust_options(const Cell *cell, const Cap *law, int64_t n, const int64_t *rows, int64_t count, Options *options);
/* The cheapest, the first row of equals: its index; -1 where there is none. Those told to be beyond are dearer than it
   at all prices up to `span` more, and by `spare_j` at both ends. */
int64_t robust_best(const Cap *law, Options *options, double price, double span, double most_hz, Answer *a);
#define SPARE 0.02

#endif
