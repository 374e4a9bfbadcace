/* Cells that are solved in one call: priced, completed and improved, as solvers/robust/solve/dual.py, shares.py and
   primal.py do. */
#include "robust_plan.h"

#include <stdlib.h>

#include "export.h"

enum { FAILED = -1, NO_PLAN = 0, PLANNED = 1, PASSES = 100, STEPS = 100, TRIED = 8, ROUNDS = 50 };

static const double SETTLED = 1e-7;

void *robust_own(Solve *solve, int64_t count, size_t size) {
    enum { AT_ONCE = 32 };
    if (solve->owned % AT_ONCE == 0) {
        void **more = realloc(solve->owns, (size_t)(solve->owned + AT_ONCE) * sizeof *more);
        if (more == NULL) return NULL;
        solve->owns = more;
    }
    void *room = malloc((size_t)(count > 0 ? count : 1) * size);
    if (room != NULL) solve->owns[solve->owned++] = room;
    return room;
}

static int own_plan(Solve *solve, Plan *plan) {
    plan->choice = robust_own(solve, solve->users, sizeof *plan->choice);
    plan->share_hz = robust_own(solve, solve->users, sizeof *plan->share_hz);
    plan->energy_j = INFINITY;
    plan->log_price = -INFINITY;
    plan->marginal = 0.0;
    return plan->choice != NULL && plan->share_hz != NULL;
}

void robust_copy(const Solve *solve, Plan *to, const Plan *from) {
    memcpy(to->choice, from->choice, (size_t)solve->users * sizeof *to->choice);
    memcpy(to->share_hz, from->share_hz, (size_t)solve->users * sizeof *to->share_hz);
    to->energy_j = from->energy_j;
    to->log_price = from->log_price;
    to->marginal = from->marginal;
}

double robust_least_of(Solve *solve, int64_t option) {
    double *least = solve->least_hz + option;
    if (!(*least >= 0.0)) *least = robust_least_hz(solve->curve + option, &solve->law);
    return *least;
}

/* ------------------------------------------------------------------------------------------------- laying out */

static double surely_of(const Curve *c, const Cap *law) {
    Curve later = *c;
    if (!sends(c)) return 0.0;
    later.most_s += 2.0 * c->error_s;
    return robust_least_hz(&later, law) * (1.0 - 4.0 * PAD);
}

static int lay_out_all(Solve *solve) {
    const Cell *cell = solve->cell;
    int64_t room = 0;
    for (int64_t n = 0; n < cell->users; n++) {
        const int64_t *first = cell->first + cell->workload[n];
        room += first[1] - first[0];
    }
    double *need = robust_own(solve, cell->users, sizeof *need);
    solve->first = robust_own(solve, cell->users + 1, sizeof *solve->first);
    solve->most_hz = robust_own(solve, cell->users, sizeof *solve->most_hz);
    solve->curve = robust_own(solve, room, sizeof *solve->curve);
    solve->wide_hz = robust_own(solve, cell->users, sizeof *solve->wide_hz);
    solve->narrow_hz = robust_own(solve, cell->users, sizeof *solve->narrow_hz);
    if (solve->wide_hz == NULL || solve->narrow_hz == NULL) return FAILED;
    if (need == NULL || solve->first == NULL || solve->most_hz == NULL || solve->curve == NULL) return FAILED;
    double least = 0.0, surely = 0.0;
    for (int64_t n = 0; n < cell->users; n++) {
        const Asking who = asking(cell, n);
        const int64_t *first = cell->first + cell->workload[n];
        int64_t widest = -1;
        double stretch = 0.0, sure = INFINITY;
        solve->first[n] = solve->count;
        for (int64_t r = first[0]; r < first[1]; r++) {
            const Curve *c = solve->curve + solve->count;
            if (!lay_out(cell, &solve->law, &who, r, solve->curve + solve->count)) continue;
            if (!sends(c)) sure = 0.0;
            else if (c->most_s > stretch * c->unit_s) {
                stretch = c->most_s / c->unit_s;
                widest = solve->count;
            }
            solve->count++;
        }
        if (solve->count == solve->first[n]) return NO_PLAN;
        if (sure > 0.0) {
            least += robust_least_hz(solve->curve + widest, &solve->law);
            /* The widest stretch may be another one with the rounding of times taken off. */
            for (int64_t k = solve->first[n]; k < solve->count; k++) {
                const Curve *c = solve->curve + k;
                if ((c->most_s + 2.0 * c->error_s) * (1.0 + 1e-9) >= stretch * c->unit_s)
                    sure = smaller(sure, surely_of(c, &solve->law));
            }
        }
        need[n] = sure;
        surely += sure;
    }
    solve->first[cell->users] = solve->count;
    if (!(least <= cell->bandwidth_hz)) return NO_PLAN;
    for (int64_t n = 0; n < cell->users; n++)
        solve->most_hz[n] = cell->bandwidth_hz * (1.0 + ROUNDING) - (surely - need[n]);
    solve->least_hz = robust_own(solve, solve->count, sizeof *solve->least_hz);
    solve->hint_s = robust_own(solve, solve->count, sizeof *solve->hint_s);
    if (solve->least_hz == NULL || solve->hint_s == NULL) return FAILED;
    for (int64_t k = 0; k < solve->count; k++) {
        solve->least_hz[k] = NAN;
        solve->hint_s[k] = 0.0;
    }
    return PLANNED;
}

/* ---------------------------------------------------------------------------------------------------- the dual */

/* The options that are still anybody's choice, and what everybody chooses at a price. */
typedef struct {
    int64_t *first, *option;
    Curve *curve;
    double *bound_j, *hint_s;
} Running;

typedef struct {
    double price, bound_j, excess_hz;
    int64_t *choice; /* indices among those running */
    Answer *answer;
} Point;

static int own_point(Solve *solve, Point *point) {
    point->choice = robust_own(solve, solve->users, sizeof *point->choice);
    point->answer = robust_own(solve, solve->users, sizeof *point->answer);
    return point->choice != NULL && point->answer != NULL;
}

static void price_all(const Solve *solve, const Running *running, double price, Point *point) {
    double size = 0.0, demand = 0.0;
    Sum value = {0.0, 0.0};
    for (int64_t n = 0; n < solve->users; n++) {
        const int64_t begin = running->first[n];
        Options mine = {running->first[n + 1] - begin, running->curve + begin, running->bound_j + begin,
                        running->hint_s + begin};
        point->choice[n] = begin + robust_best(&solve->law, &mine, price, solve->most_hz[n], point->answer + n);
        add(&value, point->answer[n].value_j);
        size += fabs(point->answer[n].value_j);
        demand += point->answer[n].share_hz;
    }
    const double whole = solve->cell->bandwidth_hz, paid = price * whole;
    point->price = price;
    point->bound_j = sum_of(&value) - paid - ROUNDING * (size + paid);
    point->excess_hz = demand - whole;
    if (point->excess_hz > 0.0 && point->excess_hz <= ROUNDING * whole) point->excess_hz = 0.0;
}

static void exchange_points(Point *a, Point *b) {
    const Point kept = *a;
    *a = *b;
    *b = kept;
}

/* Drops what is nobody's choice between two prices: the test of dual.not_fixed. */
static void prune(const Solve *solve, Running *running, Point *low, Point *high) {
    const double span = high->price - low->price;
    int64_t kept = 0;
    for (int64_t n = 0; n < solve->users; n++) {
        const Answer *a = low->answer + n, *b = high->answer + n;
        /* Lines that no bound of the options chosen there is above. */
        const double a_j = spent_at(running->curve + low->choice[n], &solve->law, low->price, a);
        const double b_j = spent_at(running->curve + high->choice[n], &solve->law, high->price, b);
        double corner = 0.0;
        if (a->share_hz > b->share_hz) {
            corner = (b_j - b->share_hz * span - a_j) / (a->share_hz - b->share_hz);
            corner = smaller(larger(corner, 0.0), span);
        }
        const double at[3] = {0.0, corner, span};
        const int64_t begin = running->first[n], end = running->first[n + 1];
        int64_t chosen[2] = {low->choice[n], high->choice[n]};
        running->first[n] = kept;
        for (int64_t k = begin; k < end; k++) {
            int stays = k == chosen[0] || k == chosen[1];
            for (int exact = 0; exact < 2 && !stays; exact++) {
                double from, to;
                if (exact) {
                    Answer x = NOTHING, y = NOTHING;
                    priced(running->curve + k, &solve->law, low->price, solve->most_hz[n], INFINITY, &x);
                    priced(running->curve + k, &solve->law, high->price, solve->most_hz[n], INFINITY, &y);
                    from = x.value_j;
                    to = y.value_j;
                } else {
                    from = least_at_least(running->curve + k, low->price);
                    to = least_at_least(running->curve + k, high->price);
                }
                int below = 0;
                for (int j = 0; j < 3 && !below; j++) {
                    const double most = smaller(a_j + a->share_hz * at[j], b_j - b->share_hz * (span - at[j]));
                    below = from + (to - from) * (at[j] / span) <= most * (1.0 + 1e-11);
                }
                if (!below) break;
                stays = exact;
            }
            if (!stays) continue;
            if (k == chosen[0]) low->choice[n] = kept;
            if (k == chosen[1]) high->choice[n] = kept;
            running->curve[kept] = running->curve[k];
            running->hint_s[kept] = running->hint_s[k];
            running->option[kept++] = running->option[k];
        }
    }
    running->first[solve->users] = kept;
}

static double tried_price(const Point *low, const Point *high, double whole, double meet, int halve, int step) {
    double price;
    if (halve) {
        price = sqrt(low->price * high->price);
    } else if (step % 2) {
        const double over = log1p(low->excess_hz / whole), under = log1p(larger(high->excess_hz / whole, -0.99));
        price = low->price * exp(log(high->price / low->price) * over / (over - under));
    } else {
        price = meet;
    }
    return price > low->price && price < high->price ? price : 0.5 * (low->price + high->price);
}

static int maximise(Solve *solve, double tolerance) {
    const double whole = solve->cell->bandwidth_hz;
    Running running = {robust_own(solve, solve->users + 1, sizeof *running.first),
                       robust_own(solve, solve->count, sizeof *running.option),
                       robust_own(solve, solve->count, sizeof *running.curve),
                       robust_own(solve, solve->count, sizeof *running.bound_j),
                       robust_own(solve, solve->count, sizeof *running.hint_s)};
    Point low, high, some;
    solve->above = robust_own(solve, solve->users, sizeof *solve->above);
    solve->below = robust_own(solve, solve->users, sizeof *solve->below);
    if (!running.first || !running.option || !running.curve || !running.bound_j || !running.hint_s || !own_point(solve, &low) ||
        !own_point(solve, &high) || !own_point(solve, &some) || !solve->above || !solve->below)
        return FAILED;
    memcpy(running.first, solve->first, (size_t)(solve->users + 1) * sizeof *running.first);
    memcpy(running.curve, solve->curve, (size_t)solve->count * sizeof *running.curve);
    for (int64_t k = 0; k < solve->count; k++) {
        running.option[k] = k;
        running.hint_s[k] = 0.0;
    }
    price_all(solve, &running, 0.0, &some);
    const double free = some.bound_j;
    if (some.excess_hz <= ROUNDING * whole * (double)solve->users) {
        solve->bound_j = some.bound_j;
        solve->price = solve->low = solve->high = 0.0;
        memcpy(solve->above, some.choice, (size_t)solve->users * sizeof *solve->above);
        memcpy(solve->below, some.choice, (size_t)solve->users * sizeof *solve->below);
        return PLANNED;
    }
    double price = larger(some.bound_j, NO_TIME) / whole, factor = 8.0;
    int over = 0, fits = 0;
    for (int k = 0; k < PASSES && !(over && fits); k++) {
        price_all(solve, &running, price, &some);
        if (some.excess_hz > 0.0) {
            exchange_points(&low, &some);
            over = 1;
            price *= factor;
        } else {
            exchange_points(&high, &some);
            fits = 1;
            price /= factor;
        }
        if (k > 3) factor *= 2.0;
    }
    if (!(over && fits)) return FAILED;
    double best = larger(low.bound_j, high.bound_j), best_price = low.bound_j > high.bound_j ? low.price : high.price;
    double before = INFINITY, pruned = INFINITY;
    for (int step = 0; step < PASSES; step++) {
        const double fall = low.excess_hz - high.excess_hz;
        const double meet =
            (high.bound_j - low.bound_j + low.excess_hz * low.price - high.excess_hz * high.price) / fall;
        const double ceiling = low.bound_j + low.excess_hz * (meet - low.price), width = high.price / low.price - 1.0;
        if (ceiling - best <= tolerance * fabs(best) || width <= 1e-14) break;
        if (width < 0.3 * pruned && width < 2.0) {
            pruned = width;
            prune(solve, &running, &low, &high);
        }
        price_all(solve, &running, tried_price(&low, &high, whole, meet, width > 0.5 * before, step), &some);
        before = width;
        if (some.bound_j > best) {
            best = some.bound_j;
            best_price = some.price;
        }
        exchange_points(some.excess_hz > 0.0 ? &low : &high, &some);
    }
    solve->bound_j = larger(best, free);
    solve->price = best_price;
    solve->low = low.price;
    solve->high = high.price;
    for (int64_t n = 0; n < solve->users; n++) {
        solve->above[n] = running.option[high.choice[n]];
        solve->below[n] = running.option[low.choice[n]];
    }
    return PLANNED;
}

/* ------------------------------------------------------------------------------------------------ sharing out */

/* -dE/db at a share, for a more_w and for a fewer_w one: they differ at kinks alone. */
static void marginals(const Curve *c, const Cap *law, double share_hz, double *more_w, double *fewer_w) {
    const double s = c->scale_hz / share_hz, near = 1e-12;
    Snr wide = snr_at(law, s), narrow = wide;
    if (fabs(s - law->snr) <= near * s) {
        wide.psi = law->before;
        narrow.psi = law->after;
    }
    const double uplink = c->unit_s * wide.stretch;
    double stiffness;
    const double watts = c->watts + clock_power(c, clock_at(c, uplink), &stiffness);
    const int bends = c->kink_s < c->most_s;
    *more_w = (bends && uplink > c->kink_s * (1.0 + near) ? watts : c->watts) * wide.psi * c->unit_s / c->scale_hz;
    *fewer_w = (bends && uplink >= c->kink_s * (1.0 - near) ? watts : c->watts) * narrow.psi * c->unit_s / c->scale_hz;
}

/* Nobody moves with the price: who gains most takes what is left over, who loses least gives what is overdrawn. */
static void to_one(Solve *solve, Plan *plan, double rest) {
    int64_t taker = -1;
    double best = 0.0;
    for (int64_t n = 0; n < solve->users; n++) {
        const Curve *c = solve->curve + plan->choice[n];
        double more_w, fewer_w;
        if (!sends(c)) continue;
        marginals(c, &solve->law, plan->share_hz[n], &more_w, &fewer_w);
        if (rest < 0.0 && plan->share_hz[n] <= robust_least_of(solve, plan->choice[n])) continue;
        const double gain = rest >= 0.0 ? more_w : -fewer_w;
        if (taker < 0 || gain > best) {
            taker = n;
            best = gain;
        }
    }
    if (taker >= 0) {
        const double least = robust_least_of(solve, plan->choice[taker]);
        plan->share_hz[taker] = larger(plan->share_hz[taker] + rest, least);
    }
    plan->marginal = 0.0;
    for (int64_t n = 0; n < solve->users; n++) {
        const Curve *c = solve->curve + plan->choice[n];
        double more_w, fewer_w;
        if (!sends(c)) continue;
        marginals(c, &solve->law, plan->share_hz[n], &more_w, &fewer_w);
        plan->marginal = larger(plan->marginal, more_w);
    }
}

/* A price at which shares are asked for, and what they are beyond the least ones. */
typedef struct {
    double log_price, total, beyond, mobile;
} Asked;

static void ask(Solve *solve, Plan *plan, Asked *at) {
    const double price = exp(at->log_price);
    at->total = at->beyond = at->mobile = 0.0;
    for (int64_t n = 0; n < solve->users; n++) {
        Answer a = NOTHING;
        if (!sends(solve->curve + plan->choice[n])) continue;
        robust_priced(solve, plan->choice[n], price, 2.0 * solve->cell->bandwidth_hz, &a);
        const double need = solve->least_hz[plan->choice[n]];
        if (a.share_hz <= need) {
            a.share_hz = need;
            a.rate = 0.0;
        }
        plan->share_hz[n] = a.share_hz;
        at->total += a.share_hz;
        at->beyond += a.share_hz - need;
        at->mobile += a.share_hz * a.rate;
    }
}

/* What a step of Newton's leaves over goes to those who move with the price. */
static void hand_out(Solve *solve, Plan *plan, const Asked *at, double rest) {
    const double off = rest / at->mobile, whole = solve->cell->bandwidth_hz;
    plan->log_price = at->log_price - off;
    plan->marginal = exp(plan->log_price);
    for (int64_t n = 0; n < solve->users && off != 0.0; n++) {
        Answer a = NOTHING;
        if (!sends(solve->curve + plan->choice[n])) continue;
        const double need = solve->least_hz[plan->choice[n]];
        if (plan->share_hz[n] <= need) continue;
        robust_priced(solve, plan->choice[n], exp(at->log_price), 2.0 * whole, &a);
        plan->share_hz[n] = larger(plan->share_hz[n] * (1.0 + larger(off * a.rate, -0.5)), need);
    }
}

/* Two prices next to each other ask for too much and for too little: the mean of what they ask for is as good as they
   are, for energy is convex in the shares. */
static void mix(const Solve *solve, Plan *plan, const Asked *wide, const Asked *narrow, double left) {
    const double part = (left - narrow->beyond) / (wide->beyond - narrow->beyond);
    for (int64_t n = 0; n < solve->users; n++)
        plan->share_hz[n] = solve->narrow_hz[n] + part * (solve->wide_hz[n] - solve->narrow_hz[n]);
    plan->log_price = narrow->log_price;
    plan->marginal = exp(plan->log_price);
}

static void settle_energy(const Solve *solve, Plan *plan) {
    double energy = 0.0, total = 0.0;
    for (int64_t n = 0; n < solve->users; n++) {
        double doubt;
        energy += energy_at(solve->curve + plan->choice[n], &solve->law, plan->share_hz[n], &doubt);
        total += plan->share_hz[n];
    }
    plan->energy_j = total <= solve->cell->bandwidth_hz * (1.0 + 1e-12) ? energy : INFINITY;
}

void robust_share_out(Solve *solve, double log_price, Plan *plan) {
    const size_t size = (size_t)solve->users * sizeof *plan->share_hz;
    const double whole = solve->cell->bandwidth_hz;
    Asked wide = {-INFINITY, 0.0, 0.0, 0.0}, narrow = {INFINITY, 0.0, 0.0, 0.0}, at = {log_price, 0.0, 0.0, 0.0};
    double least = 0.0, rest = 0.0;
    int senders = 0, settled = 0, still = 0;
    for (int64_t n = 0; n < solve->users; n++) {
        plan->share_hz[n] = 0.0;
        if (!sends(solve->curve + plan->choice[n])) continue;
        senders++;
        least += robust_least_of(solve, plan->choice[n]);
    }
    plan->energy_j = INFINITY;
    plan->marginal = 0.0;
    plan->log_price = -INFINITY;
    if (!(least <= whole)) return;
    const double left = whole - least, near = larger(SETTLED * left, 4 * 0x1p-52 * whole);
    for (int step = 0; senders && step < STEPS; step++) {
        ask(solve, plan, &at);
        rest = left - at.beyond;
        const double excess = log1p(larger(-rest / whole, -1.0)), slope = at.mobile / at.total;
        if (excess > 0.0) wide = at;
        else narrow = at;
        memcpy(excess > 0.0 ? solve->wide_hz : solve->narrow_hz, plan->share_hz, size);
        const double newton = slope > 0.0 ? excess / slope : copysign(INFINITY, excess);
        settled = fabs(newton) <= SETTLED;
        still = slope == 0.0 && fabs(rest) <= near;
        const double low = wide.log_price, high = narrow.log_price;
        if (settled || still || (isfinite(low) && high - low <= 4e-16 * fabs(low))) break;
        double goal = at.log_price + smaller(larger(newton, -3.0), 3.0);
        if (!(goal > low && goal < high) && isfinite(low) && isfinite(high)) goal = 0.5 * (low + high);
        at.log_price = goal;
    }
    plan->log_price = senders ? at.log_price : -INFINITY;
    if (settled) hand_out(solve, plan, &at, rest);
    else if (!still && wide.beyond > left && isfinite(narrow.log_price)) mix(solve, plan, &wide, &narrow, left);
    else if (senders) to_one(solve, plan, rest);
    settle_energy(solve, plan);
    if (isinf(plan->energy_j) && isfinite(narrow.log_price)) { /* rounding overdrew */
        memcpy(plan->share_hz, solve->narrow_hz, size);
        settle_energy(solve, plan);
    }
}

double robust_bound_of(const Solve *solve, const Plan *plan) {
    const double price = exp(plan->log_price), paid = price * solve->cell->bandwidth_hz;
    double size = 0.0;
    Sum value = {0.0, 0.0};
    for (int64_t n = 0; n < solve->users; n++) {
        Answer a = NOTHING;
        robust_priced(solve, plan->choice[n], price, solve->most_hz[n], &a);
        add(&value, a.value_j);
        size += fabs(a.value_j);
    }
    return sum_of(&value) - paid - ROUNDING * (size + paid);
}

/* ------------------------------------------------------------------------------------- completing, exchanging */

/* The best plan on the way from the choices above the price to those below it: primal.complete, by eighths. */
static int complete(Solve *solve) {
    Plan some;
    int64_t *tied = robust_own(solve, solve->users, sizeof *tied), count = 0;
    if (!own_plan(solve, &some) || tied == NULL) return FAILED;
    const double log_price = solve->price > 0.0 ? log(solve->price) : 0.0;
    for (int64_t n = 0; n < solve->users; n++)
        if (solve->above[n] != solve->below[n]) tied[count++] = n;
    int64_t from = 0, to = count;
    for (;;) {
        const int64_t tries = to - from + 1 < TRIED ? to - from + 1 : TRIED;
        int64_t at[TRIED], best = 0;
        double least = INFINITY;
        for (int64_t k = 0; k < tries; k++) {
            at[k] = tries > 1 ? from + (to - from) * k / (tries - 1) : from;
            for (int64_t n = 0; n < solve->users; n++) some.choice[n] = solve->above[n];
            for (int64_t j = 0; j < at[k]; j++) some.choice[tied[j]] = solve->below[tied[j]];
            robust_share_out(solve, log_price, &some);
            if (some.energy_j < least) {
                least = some.energy_j;
                best = k;
            }
            if (some.energy_j < solve->plan.energy_j) robust_copy(solve, &solve->plan, &some);
        }
        if (to - from + 1 <= TRIED) return PLANNED;
        from = at[best > 0 ? best - 1 : 0];
        to = at[best < tries - 1 ? best + 1 : tries - 1];
    }
}

/* Changes one user's option at a time while that saves energy, until `enough` is reached: primal.exchange. */
static int exchange(Solve *solve, double enough) {
    Plan some, better;
    double *gain = robust_own(solve, solve->users, sizeof *gain);
    int64_t *next = robust_own(solve, solve->users, sizeof *next);
    if (!own_plan(solve, &some) || !own_plan(solve, &better) || gain == NULL || next == NULL) return FAILED;
    for (int round = 0; round < ROUNDS; round++) {
        const double before = solve->plan.energy_j;
        if (before <= enough || !isfinite(solve->plan.log_price)) return PLANNED;
        const double price = exp(solve->plan.log_price);
        for (int64_t n = 0; n < solve->users; n++) {
            Answer mine = NOTHING, best = NOTHING;
            priced(solve->curve + solve->plan.choice[n], &solve->law, price, solve->most_hz[n], INFINITY, &mine);
            next[n] = solve->plan.choice[n];
            best.value_j = mine.value_j;
            for (int64_t k = solve->first[n]; k < solve->first[n + 1]; k++) {
                Answer a = NOTHING;
                if (!priced(solve->curve + k, &solve->law, price, solve->most_hz[n], best.value_j, &a)) continue;
                if (a.value_j < best.value_j) {
                    best = a;
                    next[n] = k;
                }
            }
            gain[n] = mine.value_j - best.value_j;
        }
        better.energy_j = INFINITY;
        for (int k = 0; k < TRIED; k++) {
            int64_t who = 0;
            for (int64_t n = 1; n < solve->users; n++)
                if (gain[n] > gain[who]) who = n;
            if (!(gain[who] > 1e-13 * before)) break;
            gain[who] = -INFINITY;
            memcpy(some.choice, solve->plan.choice, (size_t)solve->users * sizeof *some.choice);
            some.choice[who] = next[who];
            robust_share_out(solve, solve->plan.log_price, &some);
            if (some.energy_j < better.energy_j) robust_copy(solve, &better, &some);
        }
        if (!(better.energy_j < before * (1.0 - 1e-14))) return PLANNED;
        robust_copy(solve, &solve->plan, &better);
    }
    return PLANNED;
}

/* -------------------------------------------------------------------------------------------------- what is shown */

SP_EXPORT void sp_robust_close(Solve *solve) {
    if (solve == NULL) return;
    robust_forget_tree(solve->tree);
    for (int64_t k = 0; k < solve->owned; k++) free(solve->owns[k]);
    free(solve->owns);
    free(solve);
}

/* Options and least shares; `found` is to be closed whatever is answered: 1, 0 where least shares do not fit, -1 where
   there is no memory. */
SP_EXPORT int64_t sp_robust_open(const Cell *cell, Solve **found) {
    Solve *solve = calloc(1, sizeof *solve);
    *found = solve;
    if (solve == NULL) return FAILED;
    solve->cell = cell;
    solve->users = cell->users;
    solve->law = cap_of(cell->cap);
    if (!own_plan(solve, &solve->plan)) return FAILED;
    return lay_out_all(solve);
}

/* The price, to a part of the bound, and a plan beside it; numbers are the bound, its price, and the plan's energy. */
SP_EXPORT int64_t sp_robust_begin(Solve *solve, double tolerance, double *numbers) {
    if (maximise(solve, tolerance) != PLANNED || complete(solve) != PLANNED) return FAILED;
    numbers[0] = solve->bound_j;
    numbers[1] = solve->price;
    numbers[2] = solve->plan.energy_j;
    return PLANNED;
}

SP_EXPORT int64_t sp_robust_exchange(Solve *solve, double enough_j) { return exchange(solve, enough_j); }

/* Clocks that a device can set beside the shares of a plan, and the energy of these very numbers; NO_PLAN where an option
   cannot keep its limits. */
SP_EXPORT int64_t sp_robust_carry_out(
    const Cell *cell, const int64_t *row, const double *share_hz, double *clock_hz, double *energy_j
) {
    const double round_up = 1.0 + 4e-14; /* energies._ROUND_UP */
    const Cap law = cap_of(cell->cap);
    Sum energy = {0.0, 0.0};
    for (int64_t n = 0; n < cell->users; n++) {
        const Asking who = asking(cell, n);
        Curve c;
        if (!lay_out(cell, &law, &who, row[n], &c)) return NO_PLAN;
        const double s = sends(&c) ? c.scale_hz / share_hz[n] : 1.0;
        const double uplink = c.unit_s * s / smaller(log1p(s), law.cap);
        const double slack = larger(c.left_s - uplink - c.error_s, 0.5 * c.cycles / c.fast_hz);
        const double least = c.cycles > 0.0 ? c.cycles / (slack > 0.0 ? slack : 1.0) : 0.0;
        clock_hz[n] = least > c.slow_hz ? smaller(least * round_up, c.fast_hz) : c.slow_hz;
        add(&energy, computing_j(&c, clock_hz[n]) + c.watts * uplink);
    }
    *energy_j = sum_of(&energy);
    return PLANNED;
}

/* The cheapest cut of each user that sends nothing and keeps deadline and stage, as far as a part of these; -1 where there is
   none: details.py. */
SP_EXPORT void sp_robust_fallback(const Cell *cell, const int64_t *cut, double tolerance, int64_t *fallback) {
    for (int64_t n = 0; n < cell->users; n++) {
        const User *user = cell->user + n;
        double best_j = INFINITY;
        fallback[n] = -1;
        for (int64_t r = cell->first[cell->workload[n]]; r < cell->first[cell->workload[n] + 1]; r++) {
            const Row *row = cell->row + r;
            if (row->unit_hz > 0.0 || row->allowed == 0.0 || row->loss > user->max_loss) continue;
            double margin = row->margin_s, beside = row->device_std_s;
            if (!cell->of_options) {
                const double high = row->variance_s2 + user->correlation * row->cross_s2;
                const double low = row->variance_low_s2 + user->correlation * row->cross_low_s2;
                margin = user->factor * sqrt(larger(larger(high, low), 0.0));
                beside *= user->factor;
            }
            double left = user->deadline_s - row->fixed_s - margin;
            if (row->fast_s - left > tolerance * user->deadline_s) continue;
            if (cell->streams) {
                const double cycles_s = user->period_s - row->overhead_s - beside;
                if (row->fast_s - cycles_s > tolerance * user->period_s) continue;
                left = smaller(left, cycles_s);
            }
            const double asked = row->cycles > 0.0 ? row->cycles / larger(left, row->fast_s) : 0.0;
            const double clock = smaller(larger(asked, row->slow_hz), row->fast_hz);
            const double power = row->kappa * (row->exponent == 3.0 ? clock * clock * clock : pow(clock, row->exponent));
            const double energy = (row->static_w + power) * (row->cycles / clock + row->overhead_s) + row->constant_j;
            if (energy < best_j || (energy == best_j && cut[r] < fallback[n])) best_j = energy, fallback[n] = cut[r];
        }
    }
}

/* The best plan: rows of the workload table and shares; numbers are its energy, its price and its bound. */
SP_EXPORT void sp_robust_told(const Solve *solve, int64_t *row, double *share_hz, double *numbers) {
    for (int64_t n = 0; n < solve->users; n++) {
        row[n] = solve->curve[solve->plan.choice[n]].row;
        share_hz[n] = solve->plan.share_hz[n];
    }
    numbers[0] = solve->plan.energy_j;
    numbers[1] = solve->plan.marginal;
    numbers[2] = solve->bound_j;
}

/* The longest share of an option up to `high` at which E(b) + price b may be within what is to spare: from above, as E is
   least to spare at `low`, convex, and over it at `high`. */
static double useful_hz(const Solve *solve, int64_t n, const Curve *c, double spare, double low, double high, double cap_hz) {
    enum { HALVINGS = 40 };
    const double need = robust_least_hz(c, &solve->law), widest = larger(solve->most_hz[n], need);
    double doubt;
    for (int j = 0; j < HALVINGS && high - low > 1e-6 * high; j++) {
        /* By how much it is beyond the cap does not matter. */
        const int first = j == 0 && low < cap_hz && cap_hz < high;
        if (low >= cap_hz) break;
        const double middle = first ? cap_hz : 0.5 * (low + high), share = smaller(larger(middle, need), widest);
        const double energy = energy_at(c, &solve->law, share, &doubt);
        if (energy - doubt + solve->price * middle > spare) high = middle;
        else low = middle;
    }
    return high;
}

/* Users whose law is at its cap over every share that a plan cheaper than the best may give them: alike.py. */
SP_EXPORT void sp_robust_in_reach(const Solve *solve, uint8_t *same) {
    const double surely = 1.0 - 1e-9;
    double most = 0.0;
    for (int64_t n = 0; n < solve->users; n++) {
        double least = INFINITY, useful = 0.0;
        const double cap_hz = solve->cell->user[n].scale_hz / solve->law.snr * surely;
        for (int64_t k = solve->first[n] - 1; k < solve->first[n + 1]; k++) {
            /* The best are known next to the price: most others are told by their bounds then. */
            const int64_t option = k < solve->first[n] ? solve->below[n] : k;
            Answer a = NOTHING;
            if (priced(solve->curve + option, &solve->law, solve->price, solve->most_hz[n], least, &a))
                least = smaller(least, a.value_j);
        }
        const double spare = solve->plan.energy_j - solve->bound_j + least;
        for (int64_t k = solve->first[n]; k < solve->first[n + 1] && useful <= cap_hz; k++) {
            const Curve *c = solve->curve + k;
            Answer a = NOTHING;
            double doubt;
            if (!sends(c)) continue;
            /* What costs more than is to spare at its best is in no cheaper plan. */
            if (!priced(c, &solve->law, solve->price, solve->most_hz[n], spare, &a)) continue;
            const double need = robust_least_hz(c, &solve->law), widest = larger(solve->most_hz[n], need);
            const double cheapest = energy_at(c, &solve->law, widest, &doubt);
            const double high = (spare - (cheapest - doubt)) / solve->price;
            useful = larger(useful, high > a.share_hz ? useful_hz(solve, n, c, spare, a.share_hz, high, cap_hz) : a.share_hz);
        }
        same[n] = useful <= cap_hz;
        if (same[n]) most = larger(most, useful);
    }
    for (int64_t n = 0; n < solve->users; n++)
        same[n] = same[n] && solve->cell->user[n].scale_hz / solve->law.snr * surely >= most;
}
