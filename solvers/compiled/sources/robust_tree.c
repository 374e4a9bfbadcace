/* Branch and bound over the options that the bound could not rule out: solvers/robust/solve/branch.py and tree.py, depth
   first and a few nodes at a time, so that whoever calls may look up. */
#include <stdlib.h>

#include "export.h"
#include "robust_plan.h"

enum { PRICES = 41, FINER = 40, WORTH_REFINING = 5000, FINEST = 4000000 };
enum { MEMORY = -1, ENDED = 0, GOES_ON = 1 };

static const double BEND = 3.0; /* how much denser the grid is near the dual's price */

struct Tree {
    double margin, undecided_j;
    double *price;   /* (PRICES,) */
    int64_t *first;  /* (users + 1,) of the options kept */
    int64_t *option; /* (kept,) indices in the solve */
    double *value;   /* (kept, PRICES) */
    double *least_hz;
    int64_t *settled; /* (users,) of users without a choice */
    int64_t open, *user, *twin; /* (open,) users with one, in the order of branching */
    double *rest, *rest_hz;     /* (open + 1, PRICES) least of those not decided yet */
    /* The finer grid; NULL until it pays. */
    int64_t finer, fine_prices;
    double *fine_base, *fine_value, *fine_rest;
    /* The path: at every depth a node with the children that wait, the lowest bound first. */
    int64_t depth, *child, *begin, *next, *end, *taken, *fresh;
    double *child_j, *sum, *used_hz, *bound_j;
    int64_t nodes;
    Plan leaf;
};

void robust_forget_tree(Tree *tree) {
    if (tree == NULL) return;
    free(tree->fine_base);
    free(tree->fine_value);
    free(tree->fine_rest);
    free(tree);
}

static void fill_prices(const Solve *solve, double *price) {
    const double reach = smaller(4.0, 0.1 + 12.0 / (double)solve->users);
    for (int j = 0; j < PRICES; j++)
        price[j] = solve->price * exp(reach * sinh(BEND * (2.0 * j / (PRICES - 1) - 1.0)) / sinh(BEND));
}

/* Each option's value at some prices, and the bound on any plan that takes it; keeps those below the cutoff. */
static int keep_below(Solve *solve, Tree *tree, const double *price, int prices, double cutoff_j) {
    double *best = malloc((size_t)(solve->users * prices) * sizeof *best);
    double *root = malloc((size_t)prices * sizeof *root);
    if (best == NULL || root == NULL) {
        free(best);
        free(root);
        return MEMORY;
    }
    for (int j = 0; j < prices; j++) {
        double size = 0.0;
        Sum value = {0.0, 0.0};
        const double paid = price[j] * solve->cell->bandwidth_hz;
        for (int64_t n = 0; n < solve->users; n++) {
            double least = INFINITY;
            for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++) {
                Answer a = NOTHING;
                robust_priced(solve, tree->option[k], price[j], solve->most_hz[n], &a);
                tree->value[k * PRICES + j] = a.value_j;
                least = smaller(least, a.value_j);
            }
            best[n * prices + j] = least;
            add(&value, least);
            size += fabs(least);
        }
        root[j] = sum_of(&value) - paid - ROUNDING * (size + paid);
        /* What was ruled out before is beyond the cutoff, and need not be beyond more. */
        solve->bound_j = larger(solve->bound_j, smaller(root[j], cutoff_j));
    }
    int64_t kept = 0;
    int empty = 0;
    for (int64_t n = 0; n < solve->users; n++) {
        const int64_t begin = tree->first[n], end = tree->first[n + 1];
        tree->first[n] = kept;
        for (int64_t k = begin; k < end; k++) {
            double lifted = -INFINITY;
            for (int j = 0; j < prices; j++)
                lifted = larger(lifted, root[j] + tree->value[k * PRICES + j] - best[n * prices + j]);
            if (!(lifted < cutoff_j)) continue;
            tree->option[kept] = tree->option[k];
            memmove(tree->value + kept * PRICES, tree->value + k * PRICES, PRICES * sizeof *tree->value);
            tree->least_hz[kept++] = lifted; /* until the order is known */
        }
        empty |= kept == tree->first[n];
    }
    tree->first[solve->users] = kept;
    free(best);
    free(root);
    return empty ? ENDED : GOES_ON;
}

/* Users with a choice, those whose options differ most first; users of a class stay together. */
static int order(Solve *solve, Tree *tree, const int64_t *alike) {
    double *widest = calloc((size_t)solve->users, sizeof *widest);
    if (widest == NULL) return MEMORY;
    for (int64_t n = 0; n < solve->users; n++) {
        double low = INFINITY, high = -INFINITY;
        for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++) {
            low = smaller(low, tree->least_hz[k]);
            high = larger(high, tree->least_hz[k]);
        }
        widest[alike[n]] = larger(widest[alike[n]], high - low);
        tree->settled[n] = tree->option[tree->first[n]];
    }
    tree->open = 0;
    for (int64_t n = 0; n < solve->users; n++) {
        if (tree->first[n + 1] - tree->first[n] <= 1) continue;
        int64_t at = tree->open++;
        for (; at > 0; at--) {
            const int64_t other = tree->user[at - 1];
            const double mine = widest[alike[n]], theirs = widest[alike[other]];
            if (theirs > mine || (theirs == mine && alike[other] <= alike[n])) break;
            tree->user[at] = other;
        }
        tree->user[at] = n;
    }
    for (int64_t d = 0; d < tree->open; d++)
        tree->twin[d] = d > 0 && alike[tree->user[d]] == alike[tree->user[d - 1]];
    free(widest);
    return GOES_ON;
}

static double surely_least(const Curve *c, const Cap *law) {
    Curve later = *c;
    if (!sends(c)) return 0.0;
    later.most_s += 2.0 * c->error_s;
    return robust_least_hz(&later, law) * (1.0 - 4.0 * PAD);
}

/* What the settled users and the uplink add to L at some prices, and the least of those not decided yet. */
static void sum_up(const Solve *solve, const Tree *tree, const double *price, int64_t prices, const double *value,
                   double *base, double *rest) {
    for (int64_t j = 0; j < prices; j++) {
        const double paid = price[j] * solve->cell->bandwidth_hz;
        double sum = 0.0, size = paid;
        for (int64_t n = 0; n < solve->users; n++) {
            double most = 0.0;
            for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++) most = larger(most, fabs(value[k * prices + j]));
            size += most;
            if (tree->first[n + 1] - tree->first[n] == 1) sum += value[tree->first[n] * prices + j];
        }
        base[j] = sum - paid - ROUNDING * size;
        rest[tree->open * prices + j] = 0.0;
        for (int64_t d = tree->open - 1; d >= 0; d--) {
            const int64_t n = tree->user[d];
            double least = INFINITY;
            for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++) least = smaller(least, value[k * prices + j]);
            rest[d * prices + j] = rest[(d + 1) * prices + j] + least;
        }
    }
}

/* The finer grid's prices lie between those of the grid, evenly in the logarithm. Without room for it there is none. */
static void refine(Solve *solve, Tree *tree) {
    const int64_t kept = tree->first[solve->users], most = FINEST / (PRICES * kept);
    tree->finer = most < 1 ? 1 : most > FINER ? FINER : most;
    tree->fine_prices = (PRICES - 1) * tree->finer + 1;
    double *price = malloc((size_t)tree->fine_prices * sizeof *price);
    tree->fine_base = malloc((size_t)tree->fine_prices * sizeof *price);
    tree->fine_value = malloc((size_t)(tree->fine_prices * kept) * sizeof *price);
    tree->fine_rest = malloc((size_t)(tree->fine_prices * (tree->open + 1)) * sizeof *price);
    if (price == NULL || tree->fine_base == NULL || tree->fine_value == NULL || tree->fine_rest == NULL) {
        free(price);
        free(tree->fine_base);
        tree->fine_base = NULL;
        tree->finer = 0;
        return;
    }
    for (int64_t j = 0; j < tree->fine_prices; j++) {
        const int64_t at = j / tree->finer;
        const double part = (double)(j % tree->finer) / (double)tree->finer;
        price[j] = part == 0.0 ? tree->price[at] : tree->price[at] * pow(tree->price[at + 1] / tree->price[at], part);
    }
    for (int64_t n = 0; n < solve->users; n++)
        for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++)
            for (int64_t j = 0; j < tree->fine_prices; j++) {
                Answer a = NOTHING;
                robust_priced(solve, tree->option[k], price[j], solve->most_hz[n], &a);
                tree->fine_value[k * tree->fine_prices + j] = a.value_j;
            }
    sum_up(solve, tree, price, tree->fine_prices, tree->fine_value, tree->fine_base, tree->fine_rest);
    free(price);
}

/* L at a price of the finer grid, with a child taken at some depth. */
static double at_fine(const Tree *tree, int64_t depth, int64_t child, int64_t p) {
    const int64_t prices = tree->fine_prices;
    double sum = tree->fine_base[p] + tree->fine_rest[(depth + 1) * prices + p] + tree->fine_value[child * prices + p];
    for (int64_t d = 0; d < depth; d++) sum += tree->fine_value[tree->taken[d] * prices + p];
    return sum;
}

/* The largest L over the finer grid, as far as it is below the cutoff: up the slope, which is concave, from where a
   parabola through the grid's best has its top. */
static double refined(const Tree *tree, int64_t depth, int64_t child, const double *total, int top, double cutoff) {
    const int at = top < 1 ? 1 : top > PRICES - 2 ? PRICES - 2 : top;
    const double bend = total[at - 1] - 2.0 * total[at] + total[at + 1];
    const double beside = bend < 0.0 ? smaller(larger(0.5 * (total[at - 1] - total[at + 1]) / bend, -1.0), 1.0) : 0.0;
    const int64_t last = tree->fine_prices - 1;
    int64_t here = (int64_t)llrint(((double)at + beside) * (double)tree->finer);
    double best = at_fine(tree, depth, child, here);
    for (int way = -1; way <= 1; way += 2) {
        int64_t step = 1;
        int moved = 0;
        while (best < cutoff && step > 0) {
            const int64_t there = here + way * step;
            const double value = there < 0 || there > last ? -INFINITY : at_fine(tree, depth, child, there);
            if (value > best) {
                best = value;
                here = there;
                moved = 1;
                step *= 2;
            } else {
                step /= 2;
            }
        }
        if (moved) break;
    }
    return best;
}

static void expand(const Solve *solve, Tree *tree) {
    const int64_t d = tree->depth, n = tree->user[d], begin = tree->begin[d];
    const double cutoff = solve->plan.energy_j * tree->margin, whole = solve->cell->bandwidth_hz * (1.0 + 1e-12);
    const double *sum = tree->sum + d * PRICES, *rest = tree->rest + (d + 1) * PRICES;
    int64_t count = 0;
    for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++) {
        double total[PRICES], bound = -INFINITY;
        const double *value = tree->value + k * PRICES;
        int top = 0;
        if (tree->twin[d] &&
            solve->curve[tree->option[k]].row < solve->curve[tree->option[tree->taken[d - 1]]].row)
            continue;
        if (tree->used_hz[d] + tree->least_hz[k] + tree->rest_hz[d + 1] > whole) continue;
        tree->nodes++;
        for (int j = 0; j < PRICES; j++) total[j] = sum[j] + value[j] + rest[j];
        for (int j = 0; j < PRICES; j++) {
            if (total[j] > bound) {
                bound = total[j];
                top = j;
            }
        }
        if (bound < cutoff && tree->fine_base != NULL) bound = larger(bound, refined(tree, d, k, total, top, cutoff));
        if (!(bound < cutoff)) continue;
        int64_t at = count++;
        for (; at > 0 && tree->child_j[begin + at - 1] > bound; at--) {
            tree->child[begin + at] = tree->child[begin + at - 1];
            tree->child_j[begin + at] = tree->child_j[begin + at - 1];
        }
        tree->child[begin + at] = k;
        tree->child_j[begin + at] = bound;
    }
    tree->next[d] = begin;
    tree->end[d] = begin + count;
}

static void take_leaf(Solve *solve, Tree *tree) {
    memcpy(tree->leaf.choice, tree->settled, (size_t)solve->users * sizeof *tree->settled);
    for (int64_t d = 0; d < tree->open; d++) tree->leaf.choice[tree->user[d]] = tree->option[tree->taken[d]];
    robust_share_out(solve, isfinite(solve->plan.log_price) ? solve->plan.log_price : 0.0, &tree->leaf);
    if (!isfinite(tree->leaf.energy_j)) return;
    const double own = larger(robust_bound_of(solve, &tree->leaf), tree->bound_j[tree->depth]);
    if (tree->leaf.energy_j < solve->plan.energy_j) robust_copy(solve, &solve->plan, &tree->leaf);
    /* Done with only where its own dual is beyond the plan less the gap. */
    if (own < solve->plan.energy_j * tree->margin) tree->undecided_j = smaller(tree->undecided_j, own);
}

/* What is proven if the search ends here. */
static double proven(const Solve *solve, const Tree *tree) {
    double least = smaller(tree->undecided_j, solve->plan.energy_j * tree->margin);
    for (int64_t d = 0; d <= tree->depth; d++) {
        if (tree->fresh[d]) least = smaller(least, tree->bound_j[d]);
        else if (tree->next[d] < tree->end[d]) least = smaller(least, tree->child_j[tree->next[d]]);
    }
    return larger(solve->bound_j, least);
}

/* Prepares the search for plans that are cheaper by half the gap; `alike` numbers users who are the same in everything.
   1: there is one to do; 0: there is none, all is proven; -1: no memory. */
SP_EXPORT int64_t sp_robust_search(Solve *solve, const int64_t *alike, double gap, double *numbers) {
    const int64_t users = solve->users, count = solve->count;
    Tree *tree = calloc(1, sizeof *tree);
    if (tree == NULL) return MEMORY;
    solve->tree = tree;
    tree->margin = 1.0 - 0.5 * gap;
    tree->undecided_j = INFINITY;
    tree->price = robust_own(solve, PRICES, sizeof *tree->price);
    tree->first = robust_own(solve, 2 * users + 1, sizeof *tree->first);
    tree->option = robust_own(solve, 2 * count, sizeof *tree->option);
    tree->value = robust_own(solve, count * PRICES, sizeof *tree->value);
    tree->least_hz = robust_own(solve, 2 * count, sizeof *tree->least_hz);
    int64_t *numbered = robust_own(solve, 8 * (users + 1), sizeof *numbered);
    double *measured = robust_own(solve, (users + 1) * (2 * PRICES + 3), sizeof *measured);
    tree->leaf.choice = robust_own(solve, users, sizeof *tree->leaf.choice);
    tree->leaf.share_hz = robust_own(solve, users, sizeof *tree->leaf.share_hz);
    if (!tree->price || !tree->first || !tree->option || !tree->value || !tree->least_hz || !numbered || !measured ||
        !tree->leaf.choice || !tree->leaf.share_hz)
        return MEMORY;
    tree->child = tree->option + count;
    tree->child_j = tree->least_hz + count;
    tree->settled = tree->first + users + 1;
    int64_t **lists[] = {&tree->user, &tree->twin, &tree->begin, &tree->next, &tree->end, &tree->taken, &tree->fresh};
    for (int k = 0; k < 7; k++) *lists[k] = numbered + k * (users + 1);
    tree->sum = measured;
    tree->rest = measured + (users + 1) * PRICES;
    tree->rest_hz = measured + (users + 1) * 2 * PRICES;
    tree->used_hz = tree->rest_hz + users + 1;
    tree->bound_j = tree->used_hz + users + 1;

    memcpy(tree->first, solve->first, (size_t)(users + 1) * sizeof *tree->first);
    for (int64_t k = 0; k < count; k++) tree->option[k] = k;
    fill_prices(solve, tree->price);
    const double cutoff = solve->plan.energy_j * tree->margin;
    /* First the one price that rules out most, so that the grid is priced for what is left only. */
    int left = keep_below(solve, tree, &solve->price, 1, cutoff);
    if (left == GOES_ON) left = keep_below(solve, tree, tree->price, PRICES, cutoff);
    if (left == GOES_ON) left = order(solve, tree, alike);
    if (left == MEMORY) return MEMORY;
    if (left == ENDED) {
        solve->bound_j = larger(solve->bound_j, cutoff);
        numbers[0] = solve->bound_j;
        return ENDED;
    }
    sum_up(solve, tree, tree->price, PRICES, tree->value, tree->sum, tree->rest);
    tree->used_hz[0] = 0.0;
    for (int64_t k = 0; k < tree->first[users]; k++)
        tree->least_hz[k] = surely_least(solve->curve + tree->option[k], &solve->law);
    for (int64_t n = 0; n < users; n++)
        if (tree->first[n + 1] - tree->first[n] == 1) tree->used_hz[0] += tree->least_hz[tree->first[n]];
    tree->rest_hz[tree->open] = 0.0;
    for (int64_t d = tree->open - 1; d >= 0; d--) {
        const int64_t n = tree->user[d];
        double least = INFINITY;
        for (int64_t k = tree->first[n]; k < tree->first[n + 1]; k++) least = smaller(least, tree->least_hz[k]);
        tree->rest_hz[d] = tree->rest_hz[d + 1] + least;
        tree->begin[d] = tree->first[n];
    }
    tree->bound_j[0] = -INFINITY;
    for (int j = 0; j < PRICES; j++) tree->bound_j[0] = larger(tree->bound_j[0], tree->sum[j] + tree->rest[j]);
    tree->depth = 0;
    tree->fresh[0] = 1;
    numbers[0] = solve->bound_j;
    return GOES_ON;
}

/* Searches on, through some nodes more; numbers are what is proven so far, and the plan's energy. 1: not at its end. */
SP_EXPORT int64_t sp_robust_descend(Solve *solve, int64_t nodes, double *numbers) {
    Tree *tree = solve->tree;
    const int64_t enough = tree->nodes + nodes;
    while (tree->depth >= 0 && tree->nodes < enough) {
        const int64_t d = tree->depth;
        if (tree->fresh[d]) {
            tree->fresh[d] = 0;
            if (d == tree->open) {
                tree->nodes += 10;
                take_leaf(solve, tree);
                tree->depth--;
                continue;
            }
            if (tree->nodes > WORTH_REFINING && tree->finer == 0) refine(solve, tree);
            expand(solve, tree);
        }
        if (tree->next[d] == tree->end[d] ||
            !(tree->child_j[tree->next[d]] < solve->plan.energy_j * tree->margin)) {
            tree->next[d] = tree->end[d];
            tree->depth--;
            continue;
        }
        const int64_t k = tree->child[tree->next[d]];
        const double *value = tree->value + k * PRICES;
        tree->taken[d] = k;
        for (int j = 0; j < PRICES; j++) tree->sum[(d + 1) * PRICES + j] = tree->sum[d * PRICES + j] + value[j];
        tree->used_hz[d + 1] = tree->used_hz[d] + tree->least_hz[k];
        tree->bound_j[d + 1] = tree->child_j[tree->next[d]++];
        tree->fresh[d + 1] = 1;
        tree->depth++;
    }
    numbers[0] = proven(solve, tree);
    numbers[1] = solve->plan.energy_j;
    if (tree->depth < 0) {
        solve->bound_j = numbers[0];
        return ENDED;
    }
    return GOES_ON;
}
