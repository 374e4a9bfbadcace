/* Recursions of the stopping family on independent looks: what solvers/stopping/solve/independent.py says of blocks of users,
   a user at a time. Whoever calls divides the users, and looks up in between. */
#include <math.h>
#include <stdlib.h>

#include "export.h"
#include "stopping_looks.h"

enum { DONE = 0, NO_MEMORY = -1 };

#define TIE 1e-12      /* as in independent.py */
#define CLOSE 1e-13    /* as there, of Newton's method */
#define MOST_STEPS 100

/* A user's stopping problem, in buffers of the call. */
typedef struct {
    const Block *block;
    Looks looks;
    int64_t layers;
    double up, down, waiting, outage_looks, outage_wait;
    double *eta, *xi, *forced, *horizon, *reservation, *value; /* (cuts,) each */
    double *room;                                              /* of looks */
    double *all;                                               /* what is freed */
} Rules;

/* What is done at a cut once it is reached. */
typedef struct {
    double cap, ends, waits, sending;
    int wait;
} Stage;

static int begin(const Block *b, Rules *r) {
    double *all = malloc(sizeof(double) * (size_t)(6 * b->cuts + looks_room(b) + 1));
    if (all == NULL) return NO_MEMORY;
    *r = (Rules){.block = b, .layers = b->cuts - 1, .all = all, .eta = all};
    r->xi = r->eta + b->cuts;
    r->forced = r->xi + b->cuts;
    r->horizon = r->forced + b->cuts;
    r->reservation = r->horizon + b->cuts;
    r->value = r->reservation + b->cuts;
    r->room = r->value + b->cuts;
    return DONE;
}

/* The cost that makes waiting for a better channel worthless, by Newton's method from the right of the root. */
static double reservation_at(const Rules *r, double eta, double xi) {
    const Looks *l = &r->looks;
    if (!(r->up > 0.0)) return INFINITY;
    const double forced = xi + eta * l->mean + r->waiting / r->up;
    if (!(eta > 0.0)) return forced;
    const double target = r->waiting / (r->up * eta), least = l->fastest + target;
    double cap = (forced - xi) / eta;
    for (int k = 0; k < MOST_STEPS; k++) {
        double capped;
        const double step = (looks_excess(l, cap) - target) / looks_both(l, cap, &capped);
        cap -= isfinite(step) ? step : 0.0;
        cap = cap > least ? cap : least;
        if (fabs(step) <= CLOSE * cap) break;
    }
    return xi + eta * cap;
}

static void user_of(Rules *r, int64_t n) {
    const Block *b = r->block;
    looks_of(b, n, r->room, &r->looks);
    r->up = b->up[n];
    r->down = 1.0 - r->up;
    r->waiting = b->waiting[n];
    r->outage_looks = r->up > 0.0 ? r->down / r->up : INFINITY;
    r->outage_wait = r->up > 0.0 ? r->waiting * r->outage_looks : INFINITY;
    for (int64_t cut = 0; cut < b->cuts; cut++) {
        r->eta[cut] = b->eta[cut * b->users + n];
        r->xi[cut] = b->xi[cut * b->users + n];
        r->forced[cut] = r->xi[cut] + r->eta[cut] * r->looks.mean + r->outage_wait;
        if (b->always) r->reservation[cut] = reservation_at(r, r->eta[cut], r->xi[cut]);
    }
    if (b->stays) {
        r->forced[r->layers] = r->xi[r->layers];
        r->reservation[r->layers] = r->xi[r->layers] + r->waiting;
    }
    for (int64_t cut = 0; cut < b->cuts; cut++)
        r->horizon[cut] = b->always ? r->reservation[cut] - r->waiting : r->forced[cut];
}

static inline double lesser(double one, double other) { return one < other ? one : other; }

/* E[V_k] of several values of V_k+1, in place of these. */
static void step_back(const Rules *r, int64_t cut, double *value, int64_t count) {
    const double zeta = r->block->zeta[cut + 1], most = r->block->always ? r->reservation[cut] : INFINITY;
    double going[64];
    for (int64_t from = 0; from < count; from += 64) {
        const int64_t some = count - from < 64 ? count - from : 64;
        double *here = value + from;
        for (int64_t k = 0; k < some; k++) here[k] = going[k] = lesser(here[k] + zeta, most);
        looks_least(&r->looks, r->eta[cut], r->xi[cut], here, some);
        if (r->down == 0.0) continue;
        for (int64_t k = 0; k < some; k++) {
            const double moving = going[k] * r->down + here[k] * r->up;
            here[k] = r->block->always ? moving : lesser(here[k] + r->outage_wait, moving);
        }
    }
}

/* When to stop at a cut, where going on costs `onward`, and what that leads to. */
static Stage stage_at(const Rules *r, int64_t cut, double onward, int last) {
    const Looks *l = &r->looks;
    const int always = (int)r->block->always;
    const double eta = r->eta[cut], xi = r->xi[cut];
    Stage s = {0};
    const double limit = always ? lesser(onward, r->reservation[cut]) : onward;
    s.cap = eta > 0.0 ? (limit - xi) / eta : limit >= xi ? INFINITY : 0.0;
    if (last && !always) s.cap = INFINITY;
    s.cap = (s.cap > 0.0 ? s.cap : 0.0) * (1.0 + TIE);
    double fast = 0.0, capped = l->mean;
    if (isinf(s.cap) && r->up > 0.0) {
        fast = 1.0;
        s.sending = l->mean;
    } else if (s.cap > 0.0 && !isinf(s.cap)) {
        fast = looks_both(l, s.cap, &capped);
        capped = lesser(capped, s.cap);
        const double part = capped - s.cap * (1.0 - fast);
        s.sending = fast > 0.0 && part > 0.0 ? part : 0.0;
    }
    if (always) s.wait = r->reservation[cut] < onward;
    else if (last) s.wait = 1;
    else if (r->down > 0.0) {
        const double looking = s.cap > 0.0 ? lesser(eta * capped + xi, onward) : onward;
        s.wait = looking + r->waiting * (1.0 / r->up) < onward;
    }
    if (!always) {
        s.ends = s.wait ? fast : r->up * fast;
        s.waits = s.wait ? r->outage_looks : 0.0;
        s.sending *= s.wait ? 1.0 : r->up;
        return s;
    }
    const double per_look = r->up * fast;
    const int again = s.wait && per_look > 0.0;
    s.ends = s.wait ? 1.0 : per_look;
    s.waits = again ? (1.0 - per_look) / per_look : s.wait ? INFINITY : 0.0;
    s.sending = again ? s.sending / fast : r->up * s.sending;
    return s;
}

/* What one-stage look-ahead takes for the cost of going on. */
static double look_onward(const Rules *r, int64_t cut) { return r->block->zeta[cut + 1] + r->forced[cut + 1]; }

/* Exact cost of the look-ahead rule under every horizon, by a forward recursion. */
static void look_ahead(const Rules *r, double *running) {
    const Block *b = r->block;
    double reached = 1.0, before = 0.0;
    for (int64_t cut = 0; cut < b->cuts; cut++) {
        running[cut] = before + (reached > 0.0 ? reached * r->horizon[cut] : 0.0);
        if (cut == r->layers) return;
        const Stage s = stage_at(r, cut, look_onward(r, cut), 0);
        const double going = 1.0 - s.ends;
        const double waiting = s.waits > 0.0 ? s.waits * r->waiting : 0.0;
        const double here = s.ends * r->xi[cut] + r->eta[cut] * s.sending + waiting + going * b->zeta[cut + 1];
        before += reached * here;
        reached *= going;
    }
}

/* Expected running costs of users under every horizon, (users, cuts) each: of a fixed cut, of the look-ahead rule, and the
   least there is, which nobody computes where `running` is none. */
SP_EXPORT int64_t sp_stopping_curves(const Block *b, int64_t from, int64_t to, double *fixed, double *by_look,
                                     double *running) {
    Rules r;
    if (begin(b, &r) != DONE) return NO_MEMORY;
    for (int64_t n = from; n < to; n++) {
        user_of(&r, n);
        for (int64_t cut = 0; cut < b->cuts; cut++) fixed[n * b->cuts + cut] = b->ahead[cut] + r.forced[cut];
        look_ahead(&r, by_look + n * b->cuts);
        if (running == NULL) continue;
        double *value = running + n * b->cuts;
        for (int64_t cut = 0; cut < b->cuts; cut++) value[cut] = r.horizon[cut];
        for (int64_t cut = r.layers - 1; cut >= 0; cut--) step_back(&r, cut, value + cut + 1, r.layers - cut);
    }
    free(r.all);
    return DONE;
}

/* Tables of users under their placements, by backward induction or by look-ahead, and what they lead to, (users, cuts)
   each: 1/R to stop at, whether to wait, and of every cut the probability of ending there, the waits, and E[1/R; ends]. */
SP_EXPORT int64_t sp_stopping_tables(const Block *b, int64_t from, int64_t to, const int64_t *placement, int64_t by_look,
                                     double *cap, uint8_t *wait, double *ends, double *waits, double *sending) {
    Rules r;
    if (begin(b, &r) != DONE) return NO_MEMORY;
    for (int64_t n = from; n < to; n++) {
        const int64_t last = placement[n], row = n * b->cuts;
        user_of(&r, n);
        double value = r.horizon[last];
        for (int64_t cut = last - 1; cut >= 0; cut--) {
            r.value[cut] = by_look ? look_onward(&r, cut) : b->zeta[cut + 1] + value;
            if (!by_look) step_back(&r, cut, &value, 1);
        }
        double reached = 1.0;
        for (int64_t cut = 0; cut < b->cuts; cut++) {
            Stage s = {0};
            const int home = cut == last && cut == r.layers && b->stays;
            if (home) s.ends = 1.0;
            else if (cut <= last) s = stage_at(&r, cut, cut < last ? r.value[cut] : INFINITY, cut == last);
            cap[row + cut] = s.cap;
            wait[row + cut] = (uint8_t)s.wait;
            ends[row + cut] = reached * s.ends;
            waits[row + cut] = reached * s.waits > 0.0 ? reached * s.waits : 0.0;
            sending[row + cut] = reached * s.sending;
            reached *= 1.0 - s.ends;
        }
    }
    free(r.all);
    return DONE;
}
