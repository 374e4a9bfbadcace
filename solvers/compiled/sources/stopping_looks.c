/* See stopping_looks.h. Between nodes h is the cubic Hermite spline that numpy takes too. Where a threshold lies between them
   is ln(expm1 x) and a logarithm, which are looked up in tables of Taylor coefficients: good to some 1e-14, so that plans
   by numpy and by this agree to rounding. */
#include "stopping_looks.h"

#include <math.h>
#include <string.h>

#define TINY 1e-300
#define LN2 0.69314718055994530942
#define DEGREE 5
#define BITS 6
#define OCTAVE (1 << BITS) /* rows of a table between a power of two and the next */
#define TOGETHER 64        /* thresholds looked up in step: what one waits for, another computes */
#define LEAST (-24)
#define MOST 7
#define ALIKE 3e-6 /* of what going on costs: values so near each other are had from one, whose third derivative is rounding */
#define FEW 4      /* fewer are looked up one by one */

typedef struct {
    double coefficient[DEGREE + 1], middle, unused; /* as long as a line of the cache */
} Row;

static Row log_expm1_rows[(MOST - LEAST) * OCTAVE]; /* from 2^LEAST to 2^MOST */
static Row log_rows[OCTAVE];                        /* from 1 to 2 */

static void fill_log_expm1(Row *row) {
    /* u = ln(expm1 x): u' = p with p' = p (1 - p). */
    const double x = row->middle;
    double p[DEGREE] = {-1.0 / expm1(-x)};
    for (int n = 0; n + 1 < DEGREE; n++) {
        double square = 0.0;
        for (int k = 0; k <= n; k++) square += p[k] * p[n - k];
        p[n + 1] = (p[n] - square) / (n + 1);
    }
    row->coefficient[0] = x + log(-expm1(-x));
    for (int n = 0; n < DEGREE; n++) row->coefficient[n + 1] = p[n] / (n + 1);
}

static void fill_log(Row *row) {
    double power = 1.0;
    row->coefficient[0] = log(row->middle);
    for (int n = 1; n <= DEGREE; n++) {
        power /= -row->middle;
        row->coefficient[n] = -power / n;
    }
}

void stopping_fill_tables(void) {
    for (int k = 0; k < (MOST - LEAST) * OCTAVE; k++) {
        log_expm1_rows[k].middle = ldexp(1.0 + (k % OCTAVE + 0.5) / OCTAVE, LEAST + k / OCTAVE);
        fill_log_expm1(&log_expm1_rows[k]);
    }
    for (int k = 0; k < OCTAVE; k++) {
        log_rows[k].middle = 1.0 + (k + 0.5) / OCTAVE;
        fill_log(&log_rows[k]);
    }
}

static inline double at_row(const Row *row, double x) {
    const double *c = row->coefficient, r = x - row->middle, square = r * r;
    return ((c[0] + c[1] * r) + (c[2] + c[3] * r) * square) + (c[4] + c[5] * r) * (square * square);
}

/* The row of ln(expm1 x), none where the table has no such x. */
static inline const Row *log_expm1_row(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t row = (bits >> (52 - BITS)) - (uint64_t)(1023 + LEAST) * OCTAVE;
    return row < (MOST - LEAST) * OCTAVE ? log_expm1_rows + row : NULL;
}

/* ln(expm1 x), x > 0. */
static inline double log_expm1(double x) {
    const Row *row = log_expm1_row(x);
    if (row == NULL) return x < 1.0 ? log(x) + 0.5 * x : x;
    return at_row(row, x);
}

/* ln w, w >= 1 and finite. */
static inline double log_from_1(double w) {
    uint64_t bits;
    memcpy(&bits, &w, sizeof bits);
    const int64_t power = (int64_t)(bits >> 52) - 1023;
    const uint64_t row = (bits >> (52 - BITS)) % OCTAVE;
    bits = (bits & 0xFFFFFFFFFFFFFu) | ((uint64_t)1023 << 52);
    memcpy(&w, &bits, sizeof w);
    return (double)power * LN2 + at_row(&log_rows[row], w);
}

static inline double between(double low, double value, double high) {
    value = value > low ? value : low; /* as numpy: x_low never exceeds x_high */
    return value < high ? value : high;
}

/* Place on the grid, in cells, of u = ln SNR. */
static inline double place_of(double top, double per_step, double per_width, double u) {
    const double v = top - u;
    return per_step * log_from_1(1.0 + (v > 0.0 ? v * per_width : 0.0));
}

/* Cell of the grid, and how far into it, of x = ln(1 + SNR). */
static inline int64_t locate(const Looks *l, double x, double *part) {
    const double place = place_of(l->top, l->per_step, l->per_width, log_expm1(x));
    const int64_t last = l->block->nodes - 1, cell = (int64_t)place;
    *part = cell < last ? place - (double)cell : 0.0;
    return cell < last ? cell : last;
}

static inline void hermite(double v0, double v1, double s0, double s1, double *cubic) {
    const double rise = v1 - v0;
    cubic[0] = v0;
    cubic[1] = s0;
    cubic[2] = 3.0 * rise - 2.0 * s0 - s1;
    cubic[3] = s0 + s1 - 2.0 * rise;
}

static inline double cubic_at(const double *cubic, double part) {
    return ((cubic[3] * part + cubic[2]) * part + cubic[1]) * part + cubic[0];
}

static inline double spline_at(const Looks *l, double x) {
    double part;
    const int64_t cell = locate(l, x, &part);
    return cubic_at(l->spline + 4 * cell, part);
}

static double rise_at(const Looks *l, int64_t node) {
    const Block *b = l->block;
    const double cap = b->cap[l->user * b->nodes + node], snr = b->mean_snr[l->user] * b->gain[node];
    return cap * cap * snr / (1.0 + snr) * b->step[node];
}

/* First sample that is fast enough for a cap, among those that are up. */
static int64_t first_sample(const Looks *l, double cap) {
    const Block *b = l->block;
    const double least = b->snr ? expm1(l->scale / cap) / l->snr : 1.0 / cap;
    int64_t low = 0, high = b->nodes;
    while (low < high) {
        const int64_t middle = low + (high - low) / 2;
        if (b->level[middle] < least) low = middle + 1;
        else high = middle;
    }
    return low > l->first ? low : l->first;
}

/* The same of U, the channel without a top. */
static double u_capped(const Looks *l, double cap) {
    if (l->block->faded) return spline_at(l, between(l->x_low, l->scale / cap, l->x_high));
    const int64_t first = first_sample(l, cap), slow = first - l->first;
    return (l->suffix[first] + (slow > 0 ? cap * (double)slow : 0.0)) / (double)l->counted;
}

/* P(1/U <= cap | up), and E[min(1/U, cap) | up]. */
static double u_both(const Looks *l, double cap, double *capped) {
    const Block *b = l->block;
    if (!b->faded) {
        const int64_t first = first_sample(l, cap), slow = first - l->first;
        *capped = (l->suffix[first] + (slow > 0 ? cap * (double)slow : 0.0)) / (double)l->counted;
        return (double)(b->nodes - first) / (double)l->counted;
    }
    double part, cubic[4];
    const double x = l->scale / cap;
    const int64_t cell = locate(l, between(l->x_low, x, l->x_high), &part);
    const int64_t next = cell + 1 < b->nodes ? cell + 1 : cell;
    *capped = cubic_at(l->spline + 4 * cell, part);
    if (x >= l->x_high) return 0.0;
    if (x <= l->x_low && l->up > 0.0) return 1.0;
    hermite(b->above[cell], b->above[next], b->density[cell], b->density[next], cubic);
    const double fast = (cell == next ? b->above[cell] : cubic_at(cubic, part)) * l->share;
    return fast < 1.0 ? fast : 1.0;
}

static double u_excess(const Looks *l, double cap) {
    const Block *b = l->block;
    if (!b->faded) {
        const int64_t first = first_sample(l, cap), fast = b->nodes - first;
        const double spared = (fast > 0 ? cap * (double)fast : 0.0) - l->suffix[first];
        return (spared > 0.0 ? spared : 0.0) / (double)l->counted;
    }
    if (cap > l->slowest) return cap - u_capped(l, cap);
    const double x = between(l->x_low, l->scale / cap, l->x_high);
    if (x >= l->x_high) return 0.0;
    double part, cubic[4], value[2], slope[2];
    const int64_t cell = locate(l, x, &part), next = cell + 1 < b->nodes ? cell + 1 : cell;
    for (int k = 0; k < 2; k++) {
        const int64_t node = k ? next : cell, at = l->user * b->nodes + node;
        value[k] = (b->cap[at] * b->above[node] - b->beyond[at]) * l->share * l->scale;
        slope[k] = rise_at(l, node) * b->above[node] * l->share * l->scale;
    }
    hermite(value[0], value[1], slope[0], slope[1], cubic);
    return cell == next ? value[0] : cubic_at(cubic, part);
}

int64_t looks_room(const Block *b) { return b->faded ? 6 * b->nodes : 0; }

static void fill_spline(const Looks *l) {
    const Block *b = l->block;
    const int64_t row = l->user * b->nodes, last = b->nodes - 1;
    const double *restrict cap = b->cap + row, *restrict beyond = b->beyond + row;
    const double *restrict above = b->above, *restrict below = b->below, under = b->under[l->user], over = b->over[l->user];
    const double *restrict gain = b->gain, *restrict step = b->step, snr = b->mean_snr[l->user];
    const double scaled = l->share * l->scale;
    double *restrict value = l->spline + 4 * b->nodes, *restrict slope = value + b->nodes, *spline = l->spline;
    for (int64_t k = 0; k <= last; k++) {
        const double low = below[k] < 0.5 ? below[k] - under : over - above[k]; /* P(up and G < node) */
        const double scaled_low = low * scaled, at = snr * gain[k];
        value[k] = beyond[k] * scaled + cap[k] * scaled_low;
        slope[k] = cap[k] * cap[k] * at / (1.0 + at) * step[k] * scaled_low;
    }
    for (int64_t k = 0; k < last; k++) hermite(value[k], value[k + 1], slope[k], slope[k + 1], spline + 4 * k);
    const double held[4] = {value[last], 0.0, 0.0, 0.0};
    memcpy(spline + 4 * last, held, sizeof held);
}

void looks_of(const Block *b, int64_t user, double *room, Looks *l) {
    *l = (Looks){.block = b, .user = user, .up = b->up[user], .scale = b->scale, .spline = room, .floor = b->floor};
    if (b->faded) {
        l->x_low = b->x_low[user];
        l->x_high = b->x_high[user];
        l->slowest = l->scale / l->x_low;
        l->fastest = l->scale / l->x_high;
        l->top = b->top[user];
        l->share = b->share[user];
        l->per_step = 1.0 / b->spacing;
        l->per_width = 1.0 / b->width;
        fill_spline(l);
        l->mean = spline_at(l, l->x_low);
    } else {
        l->first = b->start[user];
        l->counted = b->counted[user];
        l->suffix = b->suffix + b->row[user];
        l->snr = b->snr ? b->snr[user] : 1.0;
        l->mean = l->suffix[l->first] / (double)l->counted;
        /* The fastest sample is what the last suffix is made of, 0 where it carries nothing. */
        l->fastest = l->suffix[b->nodes - 1];
    }
    if (l->floor > 0.0) {
        const double under = u_capped(l, l->floor);
        l->raised = l->floor - (under < l->floor ? under : l->floor);
        l->spared = u_excess(l, l->floor);
        l->mean += l->raised;
        l->fastest = l->fastest > l->floor ? l->fastest : l->floor;
    }
    if (!(l->up > 0.0)) l->mean = 0.0;
}

double looks_capped(const Looks *l, double cap) {
    if (l->floor == 0.0) return u_capped(l, cap);
    const double above = u_capped(l, cap > l->floor ? cap : l->floor) + l->raised;
    return above < cap ? above : cap;
}

double looks_both(const Looks *l, double cap, double *capped) {
    if (l->floor == 0.0) return u_both(l, cap, capped);
    const double fast = u_both(l, cap > l->floor ? cap : l->floor, capped);
    *capped = *capped + l->raised < cap ? *capped + l->raised : cap;
    return cap >= l->floor ? fast : 0.0;
}

double looks_excess(const Looks *l, double cap) {
    if (l->floor == 0.0) return u_excess(l, cap);
    const double more = cap > l->floor ? u_excess(l, cap) - l->spared : 0.0;
    return more > 0.0 ? more : 0.0;
}

static void least_of_trace(const Looks *l, double eta, double xi, double *onward, int64_t count) {
    for (int64_t k = 0; k < count; k++) {
        const double slack = onward[k] - xi > TINY ? onward[k] - xi : TINY;
        const double least = looks_capped(l, slack / eta) * eta + xi;
        onward[k] = least < onward[k] ? least : onward[k];
    }
}

static void least_of_fading(const Looks *l, double eta, double xi, double *onward, int64_t count) {
    double u[TOGETHER];
    const double scaled = l->scale * eta, x_low = l->x_low, added = l->raised * eta + xi;
    const double top = l->top, per_step = l->per_step, per_width = l->per_width, *spline = l->spline;
    const int64_t last = l->block->nodes - 1;
    /* With a top, x above this is a cap below the floor, and min(1/R, cap) the cap; the top may be reached below the least
       SNR. */
    double x_high = l->x_high;
    if (l->floor > 0.0) x_high = between(x_low, l->scale / l->floor, x_high);
    for (int64_t k = 0; k < count; k++) {
        const double slack = onward[k] - xi > TINY ? onward[k] - xi : TINY, x = scaled / slack;
        u[k] = x > x_low ? x : x_low;
        u[k] = u[k] < x_high ? u[k] : x_high;
    }
    for (int64_t k = 0; k < count; k++) u[k] = log_expm1(u[k]);
    for (int64_t k = 0; k < count; k++) u[k] = place_of(top, per_step, per_width, u[k]);
    for (int64_t k = 0; k < count; k++) {
        int64_t cell = (int64_t)u[k];
        cell = cell < last ? cell : last; /* constant, however far into it */
        const double least = cubic_at(spline + 4 * cell, u[k] - (double)cell) * eta + added;
        onward[k] = least < onward[k] ? least : onward[k];
    }
}

/* E[min(S, C) | up] in C about `onward`: value, slope and half the curvature; 0 where it is not smooth or not in the tables. */
static int about(const Looks *l, double eta, double xi, double onward, double *parabola) {
    const double slack = onward - xi, x = l->scale * eta / slack;
    double x_high = l->x_high;
    if (l->floor > 0.0) x_high = between(l->x_low, l->scale / l->floor, x_high);
    if (!(slack > TINY && x > l->x_low * (1.0 + 2.0 * ALIKE) && x < x_high * (1.0 - 2.0 * ALIKE))) return 0;
    const Row *row = log_expm1_row(x);
    if (row == NULL) return 0;
    const double *c = row->coefficient, r = x - row->middle;
    const double u1 = c[1] + r * (2.0 * c[2] + r * (3.0 * c[3] + r * (4.0 * c[4] + r * 5.0 * c[5])));
    const double u2 = 2.0 * c[2] + r * (6.0 * c[3] + r * (12.0 * c[4] + r * 20.0 * c[5]));
    double part;
    const int64_t cell = locate(l, x, &part);
    const double deep = l->top - at_row(row, x), wide = l->block->width + deep;
    if (!(deep > 0.0 && cell < l->block->nodes - 1)) return 0;
    const double place1 = -l->per_step * u1 / wide, place2 = -l->per_step * (u2 + u1 * u1 / wide) / wide;
    const double *cubic = l->spline + 4 * cell;
    const double h1 = (3.0 * cubic[3] * part + 2.0 * cubic[2]) * part + cubic[1], h2 = 6.0 * cubic[3] * part + 2.0 * cubic[2];
    const double by_x = h1 * place1, by_x_twice = h2 * place1 * place1 + h1 * place2, x1 = -x / slack;
    parabola[0] = cubic_at(cubic, part) * eta + l->raised * eta + xi;
    parabola[1] = by_x * x1 * eta;
    parabola[2] = (0.5 * by_x_twice * x1 - by_x / slack) * x1 * eta;
    return 1;
}

/* The last ones, of horizons so far off that they are as good as one; how many are left. */
static int64_t least_of_alike(const Looks *l, double eta, double xi, double *onward, int64_t count) {
    const double last = onward[count - 1], reach = ALIKE * (last - xi);
    double parabola[3];
    int64_t first = count - 1;
    while (first > 0 && fabs(onward[first - 1] - last) <= reach) first--;
    if (count - first < FEW || !about(l, eta, xi, last, parabola)) return count;
    for (int64_t k = first; k < count; k++) {
        const double off = onward[k] - last, least = parabola[0] + off * (parabola[1] + off * parabola[2]);
        onward[k] = least < onward[k] ? least : onward[k];
    }
    return first;
}

void looks_least(const Looks *l, double eta, double xi, double *onward, int64_t count) {
    for (int64_t from = 0; from < count; from += TOGETHER) {
        const int64_t some = count - from < TOGETHER ? count - from : TOGETHER;
        if (!l->block->faded) least_of_trace(l, eta, xi, onward + from, some);
        else least_of_fading(l, eta, xi, onward + from, least_of_alike(l, eta, xi, onward + from, some));
    }
}
