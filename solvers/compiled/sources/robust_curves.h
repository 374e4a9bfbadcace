/* The options of a cell, each a convex curve of its share, and what each asks for at a price: what
   solvers/robust/budget.py, candidates.py, spending.py, energies.py and curves.py lay out as arrays, one at a time. */
#ifndef SP_ROBUST_CURVES_H
#define SP_ROBUST_CURVES_H

#include <stddef.h>

#include "robust_rates.h"

/* Why a value is a bound, whatever it was computed at.

   An option takes the least over clocks f and shares b of C(f) + W tau(b) + p b, where its time c/f + tau(b) is at most S,
   the uplink's own tau(b) at most T, and b at most m. For multipliers M, N and q of these, none of them negative, it takes
   no less than

     [C(f) + M c/f] - M S - N T + [(W + M + N) tau(b) + (p + q) b] - q m

   with both brackets at their least. The first is convex in the time c/f: it is least at the clock f of which M is what a
   second more saves, at the cheapest clock for any smaller M and at the fastest for any larger one. The second is
   (W + M + N) unit G(z), of which any share tells a lower bound (`lost_at`). So f and b need not belong to each other, nor
   to the price: a clock, its M, and any share give a bound, and a better one the nearer they are (`tangent_j`, `at_end`).
   Where b is held to m, q is what a hertz more would save there less p, and the bound is E(m) + p m; where that q would be
   negative nothing is known of m, and what holds for all shares is all that holds (`held_to`).

   In floating point: M, and psi, which q and z are made of, are off by a part d of themselves, which costs d squared, for
   both brackets are flat where they are least. S, T and tau(b) are off by error_s at most, which costs (M + N) error_s
   whatever the time that is left: the bound is linear in S. Everything else is sums and products of terms that are not
   negative, some 20 roundings deep: OF_TERMS of each of the terms. A sum over users is compensated (`add`), and ROUNDING
   of it covers that. */
#define OF_TERMS (16 * 0x1p-52)
/* The same numbers as in Python: curves.PAD, shares.ROUNDING, spending.TIME_ERROR and spending.CANCELLED. */
#define CANCELLED (4 * 0x1p-52)
#define PAD 1e-13
#define ROUNDING 1e-14
#define TIME_ERROR (8 * 0x1p-52)
#define NO_TIME 1e-300

/* A sum whose error does not grow with the number of its terms. */
typedef struct {
    double total, rest;
} Sum;

static inline void add(Sum *sum, double term) {
    const double total = sum->total + term, of_term = total - sum->total;
    sum->rest += (sum->total - (total - of_term)) + (term - of_term);
    sum->total = total;
}

static inline double sum_of(const Sum *sum) { return sum->total + sum->rest; }

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
    double drift_s;  /* d uplink_s/d ln price there */
    double slope_hz; /* a share that makes a line of the value, see `Cut`; NAN where there is none */
} Answer;
#define NOTHING ((Answer){INFINITY, 0.0, 0.0, 0.0, 0.0, NAN})

/* What an option has to lie above at two prices around the one it is asked at, to be above a line through both of them
   everywhere between.

   A tangent's bound is concave in the price p, its slope the cheapest share b. As -dE/db falls at least as fast as 1/b,
   b falls at most as fast as 1/p, so that the bound is V + b p ln(p'/p) at any other price p' at least: concave too, and
   above the line between wherever it is above it at both ends. */
typedef struct {
    double at_j[2];
    double part[2];  /* the two prices, in parts of the one asked at */
    double rises[2]; /* p ln(p'/p), rounded down by more than a share is off */
    int wide;        /* whether the two differ */
} Cut;

static inline Cut cut_at(double cut_j) {
    const Cut cut = {{cut_j, cut_j}, {1.0, 1.0}, {0.0, 0.0}, 0};
    return cut;
}

static inline int is_above(const Cut *cut, double value_j, double slope_hz) {
    if (!cut->wide) return value_j > cut->at_j[0];
    return value_j + slope_hz * cut->rises[0] > cut->at_j[0] && value_j + slope_hz * cut->rises[1] > cut->at_j[1];
}

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
    return larger(power * ((alpha - 1.0) + alpha * stretch) - c->static_w, 0.0);
}

static inline double clock_at(const Curve *c, double uplink_s) {
    const double slack = larger(c->left_s - uplink_s, 0.5 * c->cycles / c->fast_hz + NO_TIME);
    return smaller(larger(c->cycles / slack, c->slow_hz), c->fast_hz);
}

static inline int sends(const Curve *c) { return c->unit_s > 0.0; }

/* A user, with what all its options share. */
typedef struct {
    const User *of;
    double whole_snr; /* over the whole uplink */
    double per_scale;
} Asking;

static inline Asking asking(const Cell *cell, int64_t n) {
    const Asking who = {cell->user + n, cell->user[n].scale_hz / cell->bandwidth_hz, 1.0 / cell->user[n].scale_hz};
    return who;
}

/* The bound of `least_at_least`, before an option is laid out: no clock costs less than the cheapest. */
static inline double row_at_least(const Row *row, const Asking *who, double price) {
    const User *user = who->of;
    const double unit = row->unit_hz * who->per_scale, slow = row->slow_j * user->weight;
    const double paid = (user->radio_w + row->standby_w) * user->weight * row->part * unit;
    const double uplink = unit > 0.0 ? paid * cost_at_least(price * user->scale_hz / paid) : 0.0;
    return (slow + uplink) * (1.0 - 2.0 * OF_TERMS);
}

double robust_least_hz(const Curve *c, const Cap *law);

/* The option of a user at a row; 0 where it cannot keep its limits with the whole uplink to itself. */
static inline int lay_out(const Cell *cell, const Cap *law, const Asking *who, int64_t r, Curve *c) {
    const Row *row = cell->row + r;
    const User *user = who->of;
    if (row->allowed == 0.0 || row->loss > user->max_loss) return 0;
    double margin = row->margin_s, cancelled = 0.0;
    if (!cell->of_options) {
        const double high = row->variance_s2 + user->correlation * row->cross_s2;
        const double low = row->variance_low_s2 + user->correlation * row->cross_low_s2;
        const double deviation = sqrt(larger(larger(high, low), 0.0));
        margin = user->factor * deviation;
        if (user->correlation < 0.0) {
            /* The variance is good to a part of what it is the difference of, its root to less. */
            const double error = CANCELLED * (row->variance_s2 + row->cross_s2);
            if (error > 0.0) cancelled = 2.0 * user->factor * error / (deviation + sqrt(error));
        }
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
        if (unit > 0.0) most = smaller(most, user->period_s);
        if (row->cycles > 0.0) {
            const double least = smaller(row->cycles / larger(cycles_s, 0.0), row->fast_hz);
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
    c->error_s = TIME_ERROR * (user->deadline_s + row->fixed_s + fabs(margin)) + cancelled;
    c->doubt_j = doubt;
    c->slow_j = slow == row->slow_hz ? row->slow_j * weight : computing_j(c, slow);
    c->row = r;
    const double snr = who->whole_snr;
    /* s/ln(1 + s) is at most 1 + s/2: most options are far from needing the whole uplink. */
    if (unit > 0.0 && !(unit * larger(1.0 + 0.5 * snr, snr / law->cap) <= 0.999 * most)) {
        const double at_whole = unit * (snr / smaller(log1p(snr), law->cap));
        if (at_whole > most * (1.0 - 1e-11) &&
            (at_whole > most * (1.0 + 1e-11) || robust_least_hz(c, law) > cell->bandwidth_hz))
            return 0;
    }
    return 1;
}

/* The bound of a clock and a share: what the cycles take at that clock, `spare` watts for each second that both take beyond
   `time_s` together with `error_s`, and the share of some ratio at the price of z. */
static inline double tangent_j(const Curve *c, double computing, double spare, double time_s, const Snr *at, double z) {
    const double lent = spare * time_s, uplink = (c->watts + spare) * c->unit_s * (at->stretch + z / at->s);
    const double lost = (c->watts + spare) * c->unit_s * lost_at(at, z);
    return computing - lent + uplink - lost - c->error_s * spare - c->doubt_j - OF_TERMS * (computing + lent + uplink);
}

/* Least energy at the price of the share that takes some time `uplink_s`, an end of what is allowed or a kink: the least
   share, or where the clock leaves its least. The time is worth what makes that share the cheapest one, as far as the clock
   agrees. */
static inline void at_end(const Curve *c, const Cap *law, double price, double uplink_s, int least, Answer *a) {
    const Snr at = snr_at(law, snr_at_stretch(law, (uplink_s - c->unit_s) / c->unit_s));
    const double per_watt = at.psi * c->unit_s / c->scale_hz, asked = larger(price / per_watt - c->watts, 0.0);
    double stiffness, clock = least ? clock_at(c, uplink_s) : c->slow_hz;
    const double watts = clock_power(c, clock, &stiffness);
    const double spare = !least ? smaller(asked, watts) : clock > c->slow_hz ? larger(asked, watts) : asked;
    const double z = price * c->scale_hz / ((c->watts + spare) * c->unit_s);
    a->share_hz = c->scale_hz / at.s * (least ? 1.0 + PAD : 1.0);
    a->rate = 0.0;
    a->value_j = tangent_j(c, least ? computing_j(c, clock) : c->slow_j, spare, uplink_s, &at, z);
}

/* Energy over a share, and what it may be overstated by. */
static inline double energy_at(const Curve *c, const Cap *law, double share_hz, double *doubt_j) {
    double uplink = 0.0;
    if (sends(c)) {
        const double s = c->scale_hz / share_hz;
        uplink = c->unit_s * (s / smaller(log1p(s), law->cap));
    }
    const double clock = clock_at(c, uplink), energy = computing_j(c, clock) + c->watts * uplink;
    double stiffness;
    *doubt_j = c->doubt_j + (clock > c->slow_hz ? c->error_s * clock_power(c, clock, &stiffness) : 0.0) + OF_TERMS * energy;
    return energy;
}

/* What an answer's share does cost at its price: no bound of the option there is above this. */
static inline double spent_at(const Curve *c, const Cap *law, double price, const Answer *a) {
    double doubt;
    const double energy = energy_at(c, law, a->share_hz, &doubt);
    return larger((energy + price * a->share_hz) * (1.0 + OF_TERMS), a->value_j);
}

/* What the answer of an option is where its share is held to `most_hz`, or to the least share if that is more. */
static inline void held_to(const Curve *c, const Cap *law, double price, double most_hz, Answer *a) {
    const double share = larger(robust_least_hz(c, law), most_hz);
    const Snr at = snr_at(law, c->scale_hz / share);
    const double uplink = c->unit_s * at.stretch, clock = clock_at(c, uplink);
    double stiffness, spare = 0.0;
    if (clock > c->slow_hz) spare = clock_power(c, clock, &stiffness);
    if ((c->watts + spare) * at.psi * c->unit_s / c->scale_hz >= price) {
        const double computing = computing_j(c, clock), sent = c->watts * uplink, paid = price * share;
        const double bound = computing + sent + paid - c->error_s * spare - c->doubt_j - OF_TERMS * (computing + sent + paid);
        a->value_j = price > 0.0 ? larger(a->value_j, bound) : bound;
    }
    a->share_hz = share;
    a->rate = 0.0;
}

/* A lower bound on the least of E + price b over all shares: the clock at its least for all of them. */
static inline double least_at_least(const Curve *c, double price) {
    const double paid = c->watts * c->unit_s;
    const double uplink = sends(c) ? paid * cost_at_least(price * c->scale_hz / paid) : 0.0;
    return (c->slow_j + uplink) * (1.0 - 2.0 * OF_TERMS) - c->doubt_j;
}

/* Whether `least_at_least` alone tells that an option is above. */
static inline int is_above_at_least(const Curve *c, double price, const Cut *cut) {
    for (int k = 0; k <= cut->wide; k++)
        if (!(least_at_least(c, price * cut->part[k]) > cut->at_j[k])) return 0;
    return 1;
}

enum { ABOVE = 0, FOUND = 1, SLOW = 2 };
/* The clock is free: an answer; ABOVE the cut; or SLOW, where it is at its least or next to it. */
int robust_free_clock(const Curve *c, const Cap *law, double price, const Cut *cut, Answer *a);

/* Whether a chord of the tangent at some time tells that an option is above. */
int robust_is_above_chord(const Curve *c, double price, double uplink_s, const Cut *cut);

/* Least of E + price b over all shares, but for those that hold it to an end; 0 where it is above the cut. */
static inline int unheld(const Curve *c, const Cap *law, double price, const Cut *cut, Answer *a) {
    const double z = price * c->scale_hz / (c->watts * c->unit_s);
    int found = SLOW;
    a->slope_hz = NAN;
    a->drift_s = 0.0;
    if (cut->at_j[0] < INFINITY && is_above_at_least(c, price, cut)) return 0;
    if (c->kink_s < c->most_s) {
        if (a->uplink_s > c->kink_s && a->uplink_s < c->most_s && a->uplink_s > c->unit_s)
            found = robust_free_clock(c, law, price, cut, a);
        else if (cut->at_j[0] < INFINITY && robust_is_above_chord(c, price, a->uplink_s, cut))
            return 0;
    }
    if (found == SLOW) {
        const Snr at = snr_at_price(law, z);
        const double uplink = c->unit_s * at.stretch;
        if (uplink <= c->kink_s && uplink <= c->most_s) {
            a->share_hz = c->scale_hz / polished(&at, z);
            a->slope_hz = c->scale_hz / at.s;
            a->rate = at.rate;
            a->value_j = tangent_j(c, c->slow_j, 0.0, 0.0, &at, z);
            return 1;
        }
        if (c->kink_s >= c->most_s) {
            at_end(c, law, price, c->most_s, 1, a);
        } else {
            /* What the cycles are worth makes the time no longer. */
            const double kink = larger(c->kink_s, c->unit_s);
            if (!(a->uplink_s > kink && a->uplink_s < c->most_s))
                a->uplink_s = kink + 0.6 * (smaller(uplink, c->most_s) - kink);
            found = robust_free_clock(c, law, price, cut, a);
            if (found == SLOW) at_end(c, law, price, c->kink_s, 0, a);
        }
    }
    if (found == ABOVE) return 0;
    /* Where there is next to no time to share, what it is worth may be next to nothing that can be told. */
    const double least = least_at_least(c, price);
    if (least > a->value_j) {
        a->value_j = least;
        a->slope_hz = NAN;
    }
    return 1;
}

/* Least of E + price b over the shares up to `most_hz`; 0, and no answer, where that is proven to be above the cut.
   Any price of 0 asks for all that is allowed. */
static inline int priced_within(const Curve *c, const Cap *law, double price, double most_hz, const Cut *cut, Answer *a) {
    if (!sends(c)) {
        double doubt;
        a->share_hz = a->rate = a->slope_hz = 0.0;
        a->value_j = energy_at(c, law, 1.0, &doubt) - doubt;
        return !is_above(cut, a->value_j, 0.0);
    }
    if (price > 0.0) {
        if (!unheld(c, law, price, cut, a)) return 0;
        if (a->share_hz <= most_hz) return !is_above(cut, a->value_j, a->slope_hz);
    }
    held_to(c, law, price, most_hz, a);
    a->slope_hz = NAN;
    return !is_above(cut, a->value_j, NAN);
}

/* As `priced_within`, above one number. */
static inline int priced(const Curve *c, const Cap *law, double price, double most_hz, double cut_j, Answer *a) {
    const Cut cut = cut_at(cut_j);
    return priced_within(c, law, price, most_hz, &cut, a);
}

/* Every option of one user that keeps its limits; room for those of the largest workload. */
typedef struct {
    int64_t count;
    Curve *curve;
    double *bound_j;
    double *hint_s; /* where each was found last, to begin there */
} Options;

int64_t robust_most_options(const Cell *cell, int64_t from, int64_t to);
int robust_room(Options *options, int64_t most);
void robust_forget(Options *options);
/* `rows` of them, or those of the workload where there are none; nothing is known of where they are. */
void robust_options(const Cell *cell, const Cap *law, int64_t n, const int64_t *rows, int64_t count, Options *options);
/* The cheapest, the first row of equals: its index; -1 where there is none. */
int64_t robust_best(const Cap *law, Options *options, double price, double most_hz, Answer *a);

#endif
