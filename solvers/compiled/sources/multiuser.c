/* Users of a multi-user cell at a pair of prices: what solvers/multiuser/solve/fleet.py and chosen.py say of arrays, a
   user at a time and in the same order of operations, so that every cost has the same digits. Whoever calls divides the
   users, and looks up in between. */
#include <math.h>
#include <stdlib.h>

#include "export.h"

enum { DONE = 0, NO_MEMORY = -1 };

#define TINY_S 1e-300 /* as in chosen.py */
#define TERMS 6       /* a, S, T, U, V, W of Chosen.terms */
#define NEEDS 3       /* a, c, s of shares.need */
#define TOGETHER 128  /* users summed before they are added to the rest: rounding grows with the two levels alone */

/* Filled in by solvers/multiuser/solve/kernel.py. */
typedef struct {
    int64_t users, options;    /* options: columns of the tables */
    const int64_t *kind;       /* (users,) rows of the tables */
    const int64_t *real;       /* (workloads,) columns that hold an option, all before those that do not */
    const uint8_t *allowed;    /* (users, options), or none: all are */
    const double *root_share, *root_weight, *weight, *deadline_s;
    const double *root_bit, *root_server, *base, *fixed_s; /* (workloads, options) */
} Fleet;

/* A user with the options of its workload. */
typedef struct {
    int64_t real;
    const uint8_t *allowed;
    const double *root_bit, *root_server, *base, *fixed_s;
    double share, k, weight, deadline_s;
} User;

static User user_of(const Fleet *f, int64_t n) {
    const int64_t row = f->kind[n] * f->options;
    const User u = {f->real[f->kind[n]],
                    f->allowed ? f->allowed + n * f->options : NULL,
                    f->root_bit + row,
                    f->root_server + row,
                    f->base + row,
                    f->fixed_s + row,
                    f->root_share[n],
                    f->root_weight[n],
                    f->weight[n],
                    f->deadline_s[n]};
    return u;
}

static double at_least(double value, double least) { return value > least ? value : least; }

static void add(double *sums, double *some, int count) {
    for (int k = 0; k < count; k++) {
        sums[k] += some[k];
        some[k] = 0.0;
    }
}

/* Sum with what rounding took from it: a bound rests on it. */
typedef struct {
    double sum, lost;
} Total;

static void count_in(Total *t, double value) {
    const double sum = t->sum + value;
    t->lost += fabs(t->sum) >= fabs(value) ? (t->sum - sum) + value : (value - sum) + t->sum;
    t->sum = sum;
}

static void report(const Total *t, double *total) {
    total[0] = t->sum;
    total[1] = isfinite(t->sum) ? t->lost : 0.0;
}

/* What an option adds up to at (p, q). */
static void add_terms(const User *u, int64_t o, double p, double q, double *sums) {
    const double up = u->share * u->root_bit[o], on = u->root_server[o], slack = u->deadline_s - u->fixed_s[o];
    sums[0] += u->weight * u->base[o];
    if (p * up + q * on > u->k * slack) {
        const double held = at_least(slack, TINY_S);
        sums[0] += u->k * u->k * slack;
        sums[3] += up * up / held;
        sums[4] += on * on / held;
        sums[5] += up * on / held;
    } else {
        sums[1] += u->k * up;
        sums[2] += u->k * on;
    }
}

static void add_need(const User *u, int64_t o, double *sums) {
    const double up = u->share * u->root_bit[o], on = u->root_server[o], slack = u->deadline_s - u->fixed_s[o];
    const double a = up > 0.0 ? up * up / slack : 0.0, c = on > 0.0 ? on * on / slack : 0.0;
    sums[0] += a;
    sums[1] += c;
    sums[2] += sqrt(a * c);
}

/* The first of the cheapest options at prices (p², q²), and its cost: infinite where none is allowed. `cost` has room for
   all options. A deadline makes an option dearer, never cheaper: what it adds is asked of those alone that are cheapest
   without it. */
static int64_t cheapest(const User *u, double p, double q, double *cost, double *least) {
    const double share = p * u->share, k = u->k, twice = 2.0 * k, weight = u->weight;
    const double *bit = u->root_bit, *server = u->root_server, *base = u->base;
    for (int64_t o = 0; o < u->real; o++) cost[o] = twice * (share * bit[o] + q * server[o]) + weight * base[o];
    int64_t best = 0;
    *least = INFINITY;
    for (int64_t o = 0; o < u->real; o++) {
        if (!(cost[o] < *least) || (u->allowed && !u->allowed[o])) continue;
        const double slack = at_least(u->deadline_s - u->fixed_s[o], TINY_S);
        const double over = (share * bit[o] + q * server[o]) - k * slack;
        const double all = over > 0.0 ? cost[o] + over * over / slack : cost[o];
        if (all < *least) {
            *least = all;
            best = o;
        }
    }
    return best;
}

/* Everybody's best option at prices (p², q²). `total` (2,): what they cost together, and what rounding took from that;
   `sums` (6,): what they add up to around these prices. */
SP_EXPORT int64_t sp_multiuser_price(const Fleet *f, double p, double q, int64_t from, int64_t to, int64_t *choice,
                                     double *total, double *sums) {
    double *cost = malloc(sizeof(double) * (size_t)(f->options + 1));
    if (cost == NULL) return NO_MEMORY;
    Total all = {0.0, 0.0};
    double some[TERMS] = {0.0};
    for (int k = 0; k < TERMS; k++) sums[k] = 0.0;
    for (int64_t n = from; n < to; n++) {
        const User u = user_of(f, n);
        double least;
        choice[n] = cheapest(&u, p, q, cost, &least);
        count_in(&all, least);
        add_terms(&u, choice[n], p, q, some);
        if ((n + 1) % TOGETHER == 0) add(sums, some, TERMS);
    }
    add(sums, some, TERMS);
    report(&all, total);
    free(cost);
    return DONE;
}

/* Everybody's option whose deadline asks least of both budgets at (p², q²). `total` as above; `sums` (3,): needs. */
SP_EXPORT int64_t sp_multiuser_need(const Fleet *f, double p, double q, int64_t from, int64_t to, int64_t *choice,
                                    double *total, double *sums) {
    Total all = {0.0, 0.0};
    double some[NEEDS] = {0.0};
    for (int k = 0; k < NEEDS; k++) sums[k] = 0.0;
    for (int64_t n = from; n < to; n++) {
        const User u = user_of(f, n);
        const double share = p * u.share;
        double least = INFINITY;
        int64_t best = 0;
        for (int64_t o = 0; o < u.real && least > 0.0; o++) {
            if (u.allowed && !u.allowed[o]) continue;
            const double w = share * u.root_bit[o] + q * u.root_server[o];
            const double need = w * w / at_least(u.deadline_s - u.fixed_s[o], TINY_S);
            if (need < least) {
                least = need;
                best = o;
            }
        }
        choice[n] = best;
        count_in(&all, least);
        add_need(&u, best, some);
        if ((n + 1) % TOGETHER == 0) add(sums, some, NEEDS);
    }
    add(sums, some, NEEDS);
    report(&all, total);
    return DONE;
}

/* What choices add up to around (p², q²): (6,). */
SP_EXPORT int64_t sp_multiuser_terms(const Fleet *f, double p, double q, int64_t from, int64_t to, const int64_t *choice,
                                     double *sums) {
    double some[TERMS] = {0.0};
    for (int k = 0; k < TERMS; k++) sums[k] = 0.0;
    for (int64_t n = from; n < to; n++) {
        const User u = user_of(f, n);
        add_terms(&u, choice[n], p, q, some);
        if ((n + 1) % TOGETHER == 0) add(sums, some, TERMS);
    }
    add(sums, some, TERMS);
    return DONE;
}

/* What the deadlines of choices ask of the budgets: (3,). */
SP_EXPORT int64_t sp_multiuser_needs(const Fleet *f, int64_t from, int64_t to, const int64_t *choice, double *sums) {
    double some[NEEDS] = {0.0};
    for (int k = 0; k < NEEDS; k++) sums[k] = 0.0;
    for (int64_t n = from; n < to; n++) {
        const User u = user_of(f, n);
        add_need(&u, choice[n], some);
        if ((n + 1) % TOGETHER == 0) add(sums, some, NEEDS);
    }
    add(sums, some, NEEDS);
    return DONE;
}

/* Which options keep deadline and loss limit of a user who is alone; a budget that may grow takes no time. `loss` is a
   table, `max_loss` (users,), `allowed` (users, options) is filled. */
SP_EXPORT int64_t sp_multiuser_allowed(const Fleet *f, int64_t uplink_grows, int64_t server_grows, const double *loss,
                                       const double *max_loss, int64_t from, int64_t to, uint8_t *allowed) {
    for (int64_t n = from; n < to; n++) {
        const User u = user_of(f, n);
        const double *lost = loss + f->kind[n] * f->options;
        uint8_t *mine = allowed + n * f->options;
        for (int64_t o = 0; o < f->options; o++) {
            const double root = u.share * u.root_bit[o], sent = root * root;
            const double served = u.root_server[o] * u.root_server[o], slack = u.deadline_s - u.fixed_s[o];
            int in_time = (uplink_grows ? 0.0 : sent) + (server_grows ? 0.0 : served) <= slack;
            if (uplink_grows || server_grows) in_time = in_time && (slack > 0.0 || sent + served == 0.0);
            mine[o] = (uint8_t)(in_time && lost[o] <= max_loss[n] && o < u.real);
        }
    }
    return DONE;
}
