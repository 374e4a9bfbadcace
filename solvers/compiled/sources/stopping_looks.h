/* One look at a channel whose looks are independent: what solvers/stopping/solve/inverse_rate.py and look.py say of arrays
   of users, a user and a threshold at a time. */
#ifndef SP_STOPPING_LOOKS_H
#define SP_STOPPING_LOOKS_H

#include <stdint.h>

/* Users of one workload on one channel. Filled in by solvers/stopping/solve/kernel.py. */
typedef struct {
    int64_t users, cuts;
    int64_t always, stays;        /* waiting at any time; the last cut's result stays on the device */
    int64_t faded, nodes;         /* faded: nodes of its grid; else: samples of a trace */
    double scale, floor;          /* ln 2/band; 1/R at the rate's top, 0 without one */
    double spacing, width;        /* of the grid: in ln(1 + v/width) */
    const double *ahead, *zeta;   /* (cuts,) */
    const double *eta, *xi;       /* (cuts, users) */
    const double *waiting, *up;   /* (users,) */
    /* faded */
    const double *gain, *step, *above, *below, *density; /* (nodes,) */
    const double *cap, *beyond;                          /* (users, nodes) */
    const double *under, *over, *mean_snr, *share, *top, *x_low, *x_high; /* (users,) */
    /* traces */
    const double *level, *suffix;         /* (nodes,), flat */
    const double *snr;                    /* (users,), or none: levels are rates */
    const int64_t *row, *start, *counted; /* (users,) */
} Block;

/* What a user's looks add up to, in buffers of the call. */
typedef struct {
    const Block *block;
    int64_t user;
    double up, scale, x_low, x_high, slowest, top, share, snr; /* slowest 1/R of U, the channel without a top */
    double *spline;                                            /* (nodes, 4) of h, the last cell constant; then room */
    double per_step, per_width;
    int64_t first, counted;
    const double *suffix;
    double mean, floor, raised, spared, fastest; /* of the channel with its top */
} Looks;

void stopping_fill_tables(void);
int64_t looks_room(const Block *b);                            /* numbers of Looks.spline */
void looks_of(const Block *b, int64_t user, double *room, Looks *looks);
double looks_capped(const Looks *looks, double cap);           /* E[min(1/R, cap) | up] */
/* P(1/R <= cap | up), and the same. */
double looks_both(const Looks *looks, double cap, double *capped);
double looks_excess(const Looks *looks, double cap);           /* E[max(cap - 1/R, 0) | up] */
/* E[min(eta/R + xi, C) | up] of several C, in place of these. */
void looks_least(const Looks *looks, double eta, double xi, double *onward, int64_t count);

#endif
