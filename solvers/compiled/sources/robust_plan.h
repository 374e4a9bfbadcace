/* One cell as a whole, while somebody solves it: its options, the dual, and the best plan so far. */
#ifndef SP_ROBUST_PLAN_H
#define SP_ROBUST_PLAN_H

#include "robust_curves.h"

typedef struct {
    int64_t *choice; /* (users,) indices of options */
    double *share_hz;
    double energy_j, log_price, marginal; /* what one more hertz saves */
} Plan;

typedef struct Tree Tree;

typedef struct {
    const Cell *cell;
    Cap law;
    int64_t users, count;
    int64_t *first;   /* (users + 1,) */
    Curve *curve;     /* (count,) those that keep their limits */
    double *least_hz; /* (count,) NaN until it is asked for */
    double *hint_s;   /* (count,) where each was found last */
    double *most_hz;  /* (users,) what the others' least shares leave */
    double *wide_hz, *narrow_hz; /* (users,) shares to both sides of a price that is being looked for */
    double bound_j, price, low, high;
    int64_t *above, *below; /* (users,) choices where demand fits, and where it does not */
    Plan plan;
    Tree *tree;
    int64_t owned;
    void **owns;
} Solve;

/* Room that goes with the solve; NULL where there is none. */
void *robust_own(Solve *solve, int64_t count, size_t size);

/* `priced` of an option, from where it was found last. */
static inline int robust_priced(const Solve *solve, int64_t option, double price, double most_hz, Answer *a) {
    a->uplink_s = solve->hint_s[option];
    const int found = priced(solve->curve + option, &solve->law, price, most_hz, INFINITY, a);
    solve->hint_s[option] = a->uplink_s;
    return found;
}

double robust_least_of(Solve *solve, int64_t option);
/* Splits the uplink among chosen options at least energy, near a price; infinite where it is too small for them. */
void robust_share_out(Solve *solve, double log_price, Plan *plan);
/* What plans with the choices of this one spend at least, however they share. */
double robust_bound_of(const Solve *solve, const Plan *plan);
void robust_copy(const Solve *solve, Plan *to, const Plan *from);
void robust_forget_tree(Tree *tree);

#endif
