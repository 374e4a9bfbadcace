/* The check's bounds, option by option: what solvers/robust/check/curves.py says in arrays.

   The check is a witness: nothing here is shared with what solves, and robust_curves.h is not read. */
#include "export.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* As options.ROUNDING: some 30 operations, each good to an ulp or two. */
#define ROUNDING (64.0 * 2.220446049250313e-16)
#define NEWTON 5
#define SECANTS 14

/* Columns of options, in the order in which `Options` has them; NULL where none needs it. */
enum {
    SCALE_HZ, UNIT_S, LEFT_S, POWER_W, KAPPA, CYCLES, OVERHEAD_S, CLOCK_MIN_HZ, CLOCK_MAX_HZ,
    EXPONENT, STATIC_W, FIXED_J, UPLINK_END_S, COLUMNS
};

typedef struct {
    double scale_hz, unit_s, left_s, power_w, kappa, cycles, overhead_s, clock_min_hz, clock_max_hz;
    double exponent, static_w, fixed_j, uplink_end_s;
    double cap_u;
    int has_static;
} Option;

typedef struct {
    double value, slope, share, error;
} Side;

static double least(double a, double b) { return a < b || isnan(a) ? a : b; }

static double most(double a, double b) { return a > b || isnan(a) ? a : b; }

static double clip(double value, double low, double high) { return least(most(value, low), high); }

static Option option_at(const double *const *columns, int64_t n, double cap_u) {
    Option o = {
        .scale_hz = columns[SCALE_HZ][n],
        .unit_s = columns[UNIT_S][n],
        .left_s = columns[LEFT_S][n],
        .power_w = columns[POWER_W][n],
        .kappa = columns[KAPPA][n],
        .cycles = columns[CYCLES][n],
        .overhead_s = columns[OVERHEAD_S][n],
        .clock_min_hz = columns[CLOCK_MIN_HZ][n],
        .clock_max_hz = columns[CLOCK_MAX_HZ][n],
        .exponent = columns[EXPONENT] ? columns[EXPONENT][n] : 3.0,
        .static_w = columns[STATIC_W] ? columns[STATIC_W][n] : 0.0,
        .fixed_j = columns[FIXED_J] ? columns[FIXED_J][n] : 0.0,
        .uplink_end_s = columns[UPLINK_END_S] ? columns[UPLINK_END_S][n] : INFINITY,
        .cap_u = cap_u,
        .has_static = columns[STATIC_W] != 0,
    };
    return o;
}

/* Longest uplink with which the largest clock keeps the deadline. */
static double uplink_most_s(const Option *o) {
    return least(o->left_s - o->cycles / o->clock_max_hz, o->uplink_end_s);
}

static double device_j(const Option *o, double clock) {
    double per_step = o->cycles + o->overhead_s * clock;
    double raised = o->exponent == 3.0 ? clock * clock : pow(clock, o->exponent - 1.0);
    double energy = o->kappa * raised * per_step;
    return o->has_static ? energy + o->static_w * (o->cycles / clock) : energy;
}

/* What a second less for the cycles adds to the clocked part of the energy. */
static double faster_w(const Option *o, double clock) {
    double per_cycle = clock / (o->cycles > 0.0 ? o->cycles : 1.0);
    if (o->exponent == 3.0)
        return o->kappa * (clock * clock * clock) * (2.0 + 3.0 * o->overhead_s * per_cycle);
    double bend = o->exponent - 1.0 + o->exponent * o->overhead_s * per_cycle;
    return o->kappa * pow(clock, o->exponent) * bend;
}

/* Energy that no share goes below, whose uplink takes at least so long; rounded down. */
static double cheapest_j(const Option *o, double uplink_s) {
    double asked = o->cycles > 0.0 ? o->cycles / (o->left_s - uplink_s) : 0.0;
    double clock = clip(asked * (1.0 - 1e-12), o->clock_min_hz, o->clock_max_hz);
    return (device_j(o, clock) + o->power_w * uplink_s + o->fixed_j) * (1.0 - ROUNDING);
}

/* The u with (e^u - 1)/min(u, cap) = stretch >= 1, from above: Newton from the right of a convex
   function. */
static double efficiency_for(double stretch, double cap_u) {
    double at_least = most(stretch, 1.0);
    double goal = log(at_least) * (1.0 + ROUNDING) + ROUNDING;
    double u = least(2.0 * goal, goal + log1p(2.0 * goal));
    for (int step = 0; step < NEWTON; step++) {
        double rest = log(expm1(u) / u) - goal;
        u -= rest / (-1.0 / expm1(-u) - 1.0 / u);
    }
    u *= 1.0 + ROUNDING;
    if (cap_u < INFINITY)
        u = least(u, log1p(at_least * cap_u) * (1.0 + ROUNDING) + ROUNDING);
    return u;
}

static double uplink_s(const Option *o, double u, double swing) {
    return o->unit_s * swing / least(u, o->cap_u);
}

/* Least clock in time, never beyond twice the largest, and whether it is above the least. */
static double clock_for(const Option *o, double uplink, int *free) {
    double asked = o->cycles / most(o->left_s - uplink, 1e-300);
    *free = asked > o->clock_min_hz;
    return *free ? least(asked, 2.0 * o->clock_max_hz) : o->clock_min_hz;
}

/* What one more second of uplink costs; and, before what it spares of the static power, `gross`. */
static double watts_at(const Option *o, double clock, int free, double *gross) {
    double faster = free ? faster_w(o, clock) : 0.0;
    *gross = o->power_w + (free ? faster + o->static_w : 0.0);
    if (!o->has_static)
        return o->power_w + faster;
    /* Above the frugal clock the difference is not negative, but for rounding. */
    return o->power_w + (free ? most(faster - o->static_w, 0.0) : 0.0);
}

/* E + price b rounded down, its slope in b, b, and the slope's error, at a spectral efficiency. */
static Side side_at(const Option *o, double price, double u) {
    double swing = expm1(u), share = o->scale_hz / swing, uplink = uplink_s(o, u, swing), gross;
    int free;
    double clock = clock_for(o, uplink, &free);
    double energy = device_j(o, clock) + o->power_w * uplink;
    double watts = watts_at(o, clock, free, &gross);
    double scaled = watts * o->unit_s / o->scale_hz;
    double marginal = u > o->cap_u ? scaled * (swing * swing) / o->cap_u
                                   : scaled * (u + expm1(-u)) * ((swing / u) * (swing / u));
    /* The time left for the clock is a difference: its relative error grows as it shrinks. */
    double slack = most(o->left_s - uplink, 1e-300);
    double power = most(6.0, 2.0 * o->exponent);
    double harm = 1.0 + (free ? power * o->left_s / slack : 0.0);
    Side side;
    side.value = energy + price * share - ROUNDING * (harm * energy + price * share)
                 + o->fixed_j * (1.0 - ROUNDING);
    side.slope = price - marginal;
    side.share = share;
    side.error = ROUNDING * (harm + 2.0 / u) * marginal;
    if (o->has_static)
        side.error *= gross / watts;
    return side;
}

/* Least value of a tangent between two shares, its slope known to an error. */
static double below_tangent(const Side *side, double low, double high) {
    double up = most(side->slope + side->error, 0.0) * most(side->share - low, 0.0);
    double down = most(side->error - side->slope, 0.0) * most(high * (1.0 + ROUNDING) - side->share, 0.0);
    return side->value - most(up, down);
}

/* Ln(marginal/price) at a spectral efficiency, on one side of the cap. */
static double beyond(const Option *o, double per_watt, double u, int capped) {
    double swing = expm1(u), gross;
    int free;
    double clock = clock_for(o, uplink_s(o, u, swing), &free);
    double shape = capped && o->cap_u < INFINITY ? 2.0 * log(swing) - log(o->cap_u)
                                                 : log(u + expm1(-u)) + 2.0 * log(swing / u);
    return log(watts_at(o, clock, free, &gross)) + shape + per_watt;
}

/* Root of `beyond` in (low, high) by the Illinois method; an end where there is none, the cap where
   it is jumped over. */
static double secants(const Option *o, double per_watt, double low, double high) {
    double cap = o->cap_u, u = high;
    low = least(low * (1.0 + 1e-12), high);
    double at_low = beyond(o, per_watt, low, low >= cap), at_high = beyond(o, per_watt, high, high > cap);
    int capped = low >= cap;
    if (low < cap && cap < high) {
        double before = beyond(o, per_watt, cap, 0), after = beyond(o, per_watt, cap, 1);
        if (before <= 0.0 && after >= 0.0)
            return cap;
        if (at_low >= 0.0)
            return low;
        if (at_high <= 0.0)
            return high;
        if (after < 0.0) {
            capped = 1, low = cap, at_low = after;
        } else if (before > 0.0) {
            high = cap, at_high = before;
        }
    } else if (at_low >= 0.0) {
        return low;
    } else if (at_high <= 0.0) {
        return high;
    }
    int last = 0;
    for (int step = 0; step < SECANTS; step++) {
        u = (low * at_high - high * at_low) / (at_high - at_low);
        double here = beyond(o, per_watt, u, capped);
        if (here > 0.0) {
            if (last > 0)
                at_low *= 0.5;
            high = u, at_high = here, last = 1;
        } else {
            if (last < 0)
                at_high *= 0.5;
            low = u, at_low = here, last = -1;
        }
        if (fabs(here) < 1e-7 || high - low < 1e-7 * high)
            break;
    }
    return u;
}

/* Table of ln(marginal/(W unit/a)) by u, both rising, for where to begin. */
typedef struct {
    const double *shape, *u;
    int64_t count;
} Shapes;

static double looked_up(const Shapes *table, double shape) {
    if (isnan(shape))
        return shape;
    if (shape <= table->shape[0])
        return table->u[0];
    int64_t low = 0, high = table->count - 1;
    if (shape >= table->shape[high])
        return table->u[high];
    while (high - low > 1) {
        int64_t middle = (low + high) / 2;
        if (table->shape[middle] <= shape)
            low = middle;
        else
            high = middle;
    }
    double part = (shape - table->shape[low]) / (table->shape[high] - table->shape[low]);
    return table->u[low] + part * (table->u[high] - table->u[low]);
}

/* About where the slope vanishes. */
static double stationary(const Option *o, double price, double least_u, double most_u, const Shapes *table) {
    double cap = o->cap_u, per_watt = log(o->unit_s / o->scale_hz) - log(price);
    double target = -per_watt - log(o->power_w);
    double u = looked_up(table, target);
    /* Beyond the cap (e^u - 1)^2/L is the target; at the cap the marginal energy jumps over some. */
    if (cap < INFINITY)
        u = least(u, most(cap, log1p(exp(0.5 * (target + log(cap))))));
    double at = clip(u, least_u, most_u);
    int free;
    clock_for(o, uplink_s(o, at, expm1(at)), &free);
    if (!free)
        return u;
    double kink = (o->left_s - o->cycles / o->clock_min_hz) / o->unit_s;
    double low = kink > 1.0 ? efficiency_for(kink, cap) : least_u;
    return secants(o, per_watt, most(low, least_u), at);
}

/* Lower bound on E(b) + price b over the shares in reach, and the share there. */
static double least_j(
    const Option *o, double price, double least_u, double most_u, const Shapes *table, double *share
) {
    double silent = cheapest_j(o, o->unit_s);
    *share = 0.0;
    if (!(o->unit_s > 0.0))
        return silent;
    double u = clip(stationary(o, price, least_u, most_u, table), least_u, most_u);
    Side left = side_at(o, price, clip(u * (1.0 - 2e-6), least_u, most_u));
    Side right = side_at(o, price, clip(u * (1.0 + 2e-6), least_u, most_u));
    double low = o->scale_hz / expm1(most_u) * (1.0 - ROUNDING), high = o->scale_hz / expm1(least_u);
    double bound = most(below_tangent(&left, low, high), below_tangent(&right, low, high));
    if (left.slope > left.error && right.slope < -right.error) {
        /* Two tangents of opposite slope meet below the minimum. */
        double meet = left.slope * right.value - right.slope * left.value
                      + left.slope * right.slope * (left.share - right.share);
        meet = meet / (left.slope - right.slope) - ROUNDING * (left.value + right.value);
        bound = fmax(least(meet, least(left.value, right.value)), bound);
    }
    *share = left.share;
    /* Where nothing can be said (an overflow) the cheapest energy still stands. */
    return fmax(bound, silent);
}

/* Lower bound on E(b) over the shares in reach: it falls in b, so it is that of the largest share. */
static double widest_j(const Option *o, double least_u) {
    double silent = cheapest_j(o, o->unit_s);
    return o->unit_s > 0.0 ? fmax(side_at(o, 0.0, least_u).value, silent) : silent;
}

/* `least_j` of every option at some prices [J/Hz], its own or the same for all: `bound_j` and
   `share_hz`, (options, prices). */
SP_EXPORT void sp_check_least(
    const double *const *columns, int64_t count, double cap_u,
    const double *least_u, const double *most_u, const double *price, int64_t prices,
    int64_t own_prices, const double *shape, const double *shape_u, int64_t shapes,
    double *bound_j, double *share_hz
) {
    Shapes table = {shape, shape_u, shapes};
    for (int64_t n = 0; n < count; n++) {
        Option o = option_at(columns, n, cap_u);
        const double *of = price + (own_prices ? n * prices : 0);
        for (int64_t k = 0; k < prices; k++) {
            int64_t to = n * prices + k;
            bound_j[to] = least_j(&o, of[k], least_u[n], most_u[n], &table, share_hz + to);
        }
    }
}

/* As in bound.py: of a sum; how surely an option is late; of a spectral efficiency. */
#define SUM_ROUNDING 1e-14
#define SURELY_LATE 1e-6
#define HAIR 1e-9
#define LOOSELY 1e-12 /* far more than what rounding takes off a bound that only says where to look */

/* The longest uplink in time over that of endless bandwidth; 1 where silent. */
static double stretch_of(const Option *o) {
    return o->unit_s > 0.0 ? uplink_most_s(o) / o->unit_s : 1.0;
}

/* The longest uplink of each option with which the largest clock keeps the deadline. */
static void fill_latest(const double *const *columns, int64_t count, double *restrict latest_s) {
    const double *restrict left_s = columns[LEFT_S], *restrict cycles = columns[CYCLES];
    const double *restrict clock_hz = columns[CLOCK_MAX_HZ], *restrict end_s = columns[UPLINK_END_S];
    for (int64_t n = 0; n < count; n++)
        latest_s[n] = left_s[n] - cycles[n] / clock_hz[n];
    for (int64_t n = 0; end_s && n < count; n++)
        latest_s[n] = least(latest_s[n], end_s[n]);
}

/* The largest share of each user: what the least shares of the others leave of the uplink. */
static void fill_caps(
    const double *const *columns, const int64_t *user, int64_t count, int64_t users, double cap_u,
    double bandwidth_hz, const double *latest_s, double *cap_hz
) {
    const double *unit_s = columns[UNIT_S];
    double sum = 0.0;
    for (int64_t n = 0; n < users; n++)
        cap_hz[n] = -INFINITY;
    for (int64_t n = 0; n < count; n++) {
        double stretch = unit_s[n] > 0.0 ? latest_s[n] / unit_s[n] : INFINITY;
        cap_hz[user[n]] = most(cap_hz[user[n]], stretch);
    }
    for (int64_t n = 0, at = 0; n < users; n++) {
        while (at < count && user[at] < n)
            at++;
        double stretch = cap_hz[n];
        if (isfinite(stretch))
            cap_hz[n] = columns[SCALE_HZ][at] / expm1(efficiency_for(stretch, cap_u)) * (1.0 - ROUNDING);
        else
            cap_hz[n] = stretch > 0.0 ? 0.0 : INFINITY;
        sum += cap_hz[n];
    }
    for (int64_t n = 0; n < users; n++)
        cap_hz[n] = bandwidth_hz * (1.0 + SUM_ROUNDING) - (sum - cap_hz[n]) * (1.0 - SUM_ROUNDING);
}

/* What every option takes at least with its user's widest share, whose uplink is `wide` times as long
   as with endless bandwidth. */
static void fill_cheapest(
    const double *const *columns, const int64_t *user, int64_t count, double cap_u, const double *wide,
    const double *latest_s, double *soonest_s, double *cheapest
) {
    for (int64_t n = 0; n < count; n++) {
        Option o = option_at(columns, n, cap_u);
        soonest_s[n] = o.unit_s * wide[user[n]];
        cheapest[n] = cheapest_j(&o, least(soonest_s[n], most(latest_s[n], o.unit_s)));
    }
}

/* A small cell without servers' budgets, at a price; `user` counts from 0 and never falls. */
typedef struct {
    const double *const *columns;
    const int64_t *user, *option, *held;
    double cap_u, price;
    int64_t plain;
    Shapes table;
    double *value, *least_u, *most_u;
} Cell;

/* What an option costs at least at the price; 0 where no share is enough for it. */
static int priced(const Cell *cell, int64_t n, double widest_u) {
    Option o = option_at(cell->columns, n, cell->cap_u);
    double least_u = widest_u * (1.0 - SUM_ROUNDING), share;
    double most_u = efficiency_for(stretch_of(&o), cell->cap_u);
    /* A share beyond the cap is no option; a hair beyond it may be rounding. */
    if (!cell->plain && cell->option[n] != cell->held[cell->user[n]] && o.unit_s > 0.0
        && least_u > most_u * (1.0 + HAIR) + HAIR)
        return 0;
    least_u = least(least_u, most_u);
    cell->least_u[n] = least_u, cell->most_u[n] = most_u;
    /* For nothing everybody takes the largest share. */
    cell->value[n] = cell->price > 0.0 ? least_j(&o, cell->price, least_u, most_u, &cell->table, &share)
                                       : widest_j(&o, least_u);
    return 1;
}

/* Have an option priced, and not again. */
static void look_at(
    const Cell *cell, int64_t n, const double *widest_u, int8_t *open, double *user_j, double *cheapest
) {
    int64_t mine = cell->user[n];
    open[n] = (int8_t)priced(cell, n, widest_u[mine]);
    if (open[n])
        user_j[mine] = least(user_j[mine], cell->value[n]);
    cheapest[n] = INFINITY;
}

/* A better bound of an option than what it costs without spectrum, without looking for a root: what
   its device takes at least, and P tau(b) + price b below a tangent near its minimum. */
static double refined_j(const Cell *cell, int64_t n, double cheapest, double latest_s, double soonest_s, double most_hz) {
    Option o = option_at(cell->columns, n, cell->cap_u);
    if (!(o.unit_s > 0.0 && o.power_w > 0.0 && cell->price > 0.0))
        return cheapest;
    double cap = o.cap_u, target = log(cell->price * o.scale_hz / (o.unit_s * o.power_w));
    double u = looked_up(&cell->table, target);
    if (u > cap)
        u = most(cap, log1p(exp(0.5 * (target + log(cap)))));
    double swing = expm1(u), share = o.scale_hz / swing;
    double sent_j = o.power_w * o.unit_s * swing / least(u, cap), scaled = o.power_w * o.unit_s / o.scale_hz;
    double under = scaled * (u + expm1(-u)) * ((swing / u) * (swing / u)), over = scaled * swing * swing / cap;
    double slope = cell->price - (u > cap ? over : under);
    if (u == cap && slope > 0.0) /* at the cap the slope jumps, perhaps over nothing at all */
        slope = least(slope, most(cell->price - over, 0.0));
    /* The share is between none and the most there is. */
    double aside = slope > 0.0 ? slope * share : -slope * most(most_hz - share, 0.0);
    double spent_j = sent_j + cell->price * share - aside;
    double device = cheapest - o.power_w * least(soonest_s, most(latest_s, o.unit_s));
    double found = device + spent_j - LOOSELY * (cheapest + spent_j);
    return found > cheapest ? found : cheapest;
}

/* What the options that may matter beside a plan cost at least, each user's least value, and the
   bound that these make. `held` are the plan's options; `open` says of each option whether it may be in
   a plan below the goal. Of four figures of each user the first is the least value. */
SP_EXPORT void sp_check_root(
    const double *const *columns, const int64_t *user, const int64_t *option, int64_t count,
    int64_t users, double cap_u, double bandwidth_hz, double price, int64_t plain,
    const int64_t *held, double goal_j, const double *shape,
    const double *shape_u, int64_t shapes, int8_t *open, double *figures, double *of_users,
    double *root_j
) {
    double *cheapest = figures, *user_j = of_users, *cap_hz = of_users + users;
    double *widest_u = cap_hz + users, *wide = widest_u + users;
    Cell cell = {
        .columns = columns, .user = user, .option = option, .held = held, .cap_u = cap_u,
        .price = price, .plain = plain, .table = {shape, shape_u, shapes},
        .value = figures + count, .least_u = figures + 2 * count, .most_u = figures + 3 * count,
    };
    double *latest_s = cell.value, *soonest_s = cell.least_u; /* until there is something to say */
    fill_latest(columns, count, latest_s);
    fill_caps(columns, user, count, users, cap_u, bandwidth_hz, latest_s, cap_hz);
    for (int64_t n = 0, at = 0; n < users; n++) {
        while (at < count && user[at] < n)
            at++;
        user_j[n] = INFINITY;
        widest_u[n] = log1p((at < count ? columns[SCALE_HZ][at] : 1.0) / cap_hz[n]);
        wide[n] = fmax(expm1(widest_u[n]) / least(widest_u[n], cap_u) * (1.0 - 2.0 * ROUNDING), 1.0);
    }
    fill_cheapest(columns, user, count, cap_u, wide, latest_s, soonest_s, cheapest);
    for (int64_t n = 0; n < count; n++) {
        open[n] = 0;
        if (option[n] == held[user[n]])
            look_at(&cell, n, widest_u, open, user_j, cheapest);
        else if (!plain && soonest_s[n] > latest_s[n] * (1.0 + SURELY_LATE))
            cheapest[n] = INFINITY;
    }
    for (int64_t n = 0, best = 0; n < count; n++) {
        int64_t mine = user[n];
        if (cheapest[n] < user_j[mine])
            cheapest[n] = refined_j(&cell, n, cheapest[n], latest_s[n], soonest_s[n], cap_hz[mine]);
        best = n == 0 || user[n - 1] != mine || cheapest[n] < cheapest[best] ? n : best;
        /* The most promising first: most others need not be looked at then. */
        if ((n + 1 == count || user[n + 1] != mine) && cheapest[best] < user_j[mine])
            look_at(&cell, best, widest_u, open, user_j, cheapest);
    }
    for (int64_t n = 0; n < count; n++)
        if (cheapest[n] < user_j[user[n]])
            look_at(&cell, n, widest_u, open, user_j, cheapest);
    double total = 0.0, size = 0.0, paid = price * bandwidth_hz;
    for (int64_t n = 0; n < users; n++)
        total += user_j[n], size += fabs(user_j[n]);
    double root = *root_j = total - paid - SUM_ROUNDING * (size + paid);
    if (!(root < goal_j))
        return;
    /* The minimum needs no others, but a cheaper plan may. */
    for (int64_t n = 0; n < count; n++) {
        double aside = user_j[user[n]];
        /* The bound stands: a value a hair below that of the user is no new least. */
        if (root + (cheapest[n] - aside) < goal_j)
            open[n] = (int8_t)priced(&cell, n, widest_u[user[n]]);
        open[n] = open[n] && root + (cell.value[n] - aside) < goal_j;
    }
}

typedef struct {
    double below;
    int64_t at;
} Rank;

static int by_bound(const void *a, const void *b) {
    const Rank *one = a, *other = b;
    if (one->below != other->below)
        return one->below < other->below ? -1 : 1;
    return one->at < other->at ? -1 : 1;
}

/* Combinations of options, a user after the other: what they cost so far at each price, the
   combination that each goes on from and the option that it adds. */
typedef struct {
    double *sums;
    int32_t *from, *added;
    int64_t count;
} Level;

static int room_for(Level *level, int64_t count, int64_t prices) {
    level->count = 0;
    count += count == 0; /* no room at all may look like none left */
    level->sums = malloc(sizeof(double) * (size_t)(count * prices));
    level->from = malloc(sizeof(int32_t) * (size_t)count);
    level->added = malloc(sizeof(int32_t) * (size_t)count);
    return level->sums && level->from && level->added;
}

static void forget(Level *levels, int64_t count) {
    for (int64_t n = 0; n < count; n++) {
        free(levels[n].sums);
        free(levels[n].from);
        free(levels[n].added);
    }
    free(levels);
}

static double bound_of(const double *sums, const double *rest, int64_t prices) {
    double best = -INFINITY;
    for (int64_t k = 0; k < prices; k++)
        best = most(best, sums[k] + rest[k]);
    return best;
}

/* Keep those of the newest level below the goal, or the best few where those are too many. */
static int keep_below(
    Level *level, const double *rest, int64_t prices, double goal_j, int64_t at_most, int64_t beam,
    int64_t *complete
) {
    Rank *kept = malloc(sizeof(Rank) * (size_t)(level->count + 1));
    int64_t count = 0;
    if (!kept)
        return 0;
    for (int64_t n = 0; n < level->count; n++) {
        double below = bound_of(level->sums + n * prices, rest, prices);
        if (below < goal_j)
            kept[count++] = (Rank){below, n};
    }
    if (count > at_most) {
        /* Nothing more is proven, but the most promising may still make a cheaper plan. */
        qsort(kept, (size_t)count, sizeof(Rank), by_bound);
        count = beam, *complete = 0;
        double *sums = malloc(sizeof(double) * (size_t)(count * prices));
        int32_t *pairs = malloc(sizeof(int32_t) * (size_t)(2 * count));
        int enough = sums && pairs;
        for (int64_t n = 0; enough && n < count; n++) {
            memcpy(sums + n * prices, level->sums + kept[n].at * prices, sizeof(double) * (size_t)prices);
            pairs[2 * n] = level->from[kept[n].at], pairs[2 * n + 1] = level->added[kept[n].at];
        }
        for (int64_t n = 0; enough && n < count; n++)
            level->from[n] = pairs[2 * n], level->added[n] = pairs[2 * n + 1];
        if (enough)
            memcpy(level->sums, sums, sizeof(double) * (size_t)(count * prices));
        free(sums), free(pairs), free(kept);
        level->count = count;
        return enough;
    }
    for (int64_t n = 0; n < count; n++) {
        int64_t at = kept[n].at;
        memmove(level->sums + n * prices, level->sums + at * prices, sizeof(double) * (size_t)prices);
        level->from[n] = level->from[at], level->added[n] = level->added[at];
    }
    level->count = count;
    free(kept);
    return 1;
}

/* As `search._opened`, where no server has a budget: how many combinations stay open, -1 without
   memory. `chosen` (combinations, users), in the order of the users, and `bound_j` have room for
   `at_most` of them. */
SP_EXPORT int64_t sp_check_opened(
    const double *values, int64_t prices, const int64_t *start, const int64_t *order, int64_t users,
    const double *paid, double goal_j, int64_t at_most, int64_t beam, int64_t unseen,
    int64_t *chosen, double *bound_j, int64_t *complete
) {
    Level *levels = calloc((size_t)(users + 1), sizeof(Level));
    double *rest = malloc(sizeof(double) * (size_t)(3 * prices));
    int64_t found = -1, depth = 0;
    *complete = 1;
    if (!levels || !rest || !room_for(&levels[0], 1, prices))
        goto end;
    double *slack = rest + prices, *ahead = slack + prices;
    for (int64_t k = 0; k < prices; k++) {
        ahead[k] = levels[0].sums[k] = 0.0;
        for (int64_t n = 0; n < users; n++) {
            double best = INFINITY;
            for (int64_t o = start[n]; o < start[n + 1]; o++)
                best = least(best, values[o * prices + k]);
            ahead[k] += best;
        }
        slack[k] = SUM_ROUNDING * (ahead[k] + paid[k]);
    }
    levels[0].from[0] = levels[0].added[0] = -1, levels[0].count = 1;
    while (depth < users && levels[depth].count > 0) {
        int64_t user = order[depth], own = start[user + 1] - start[user];
        const Level *before = &levels[depth];
        Level *level = &levels[++depth];
        if (!room_for(level, before->count * own, prices))
            goto end;
        for (int64_t k = 0; k < prices; k++) {
            double best = INFINITY;
            for (int64_t o = start[user]; o < start[user + 1]; o++)
                best = least(best, values[o * prices + k]);
            ahead[k] -= best;
            rest[k] = ahead[k] - paid[k] - slack[k];
        }
        for (int64_t n = 0; n < before->count; n++)
            for (int64_t o = start[user]; o < start[user + 1]; o++) {
                for (int64_t k = 0; k < prices; k++)
                    level->sums[level->count * prices + k]
                        = before->sums[n * prices + k] + values[o * prices + k];
                level->from[level->count] = (int32_t)n;
                level->added[level->count++] = (int32_t)o;
            }
        /* What is left out costs no less with more users, so few are looked at later. */
        if (depth < users && level->count <= unseen)
            continue;
        if (!keep_below(level, rest, prices, goal_j, at_most, beam, complete))
            goto end;
    }
    found = depth == users ? levels[users].count : 0;
    for (int64_t k = 0; k < prices; k++)
        rest[k] = -paid[k] - slack[k];
    for (int64_t n = 0; n < found; n++) {
        bound_j[n] = bound_of(levels[users].sums + n * prices, rest, prices);
        for (int64_t at = n, level = users; level > 0; at = levels[level--].from[at])
            chosen[n * users + level - 1] = levels[level].added[at];
    }
end:
    free(rest);
    if (levels)
        forget(levels, users + 1);
    return found;
}
