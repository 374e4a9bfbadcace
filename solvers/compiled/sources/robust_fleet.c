/* Large cells, a stretch of users at a time: whoever calls divides the users, and looks up in between. */
#include <stdlib.h>

#include "export.h"
#include "robust_curves.h"

enum { DONE = 0, NO_MEMORY = -1 };

/* The least share of a user; infinite where it has no option. */
static double least_of_all(const Options *options, const Cap *law) {
    int64_t best = -1;
    double widest = 0.0;
    for (int64_t k = 0; k < options->count; k++) {
        const Curve *c = options->curve + k;
        if (!sends(c)) return 0.0;
        /* One scale for all: the share is least where the uplink may be slowed most. */
        if (c->most_s > widest * c->unit_s) {
            widest = c->most_s / c->unit_s;
            best = k;
        }
    }
    return best < 0 ? INFINITY : robust_least_hz(options->curve + best, law);
}

/* The least share of every user, infinite where none of its options keeps its limits; and what it surely is, with the
   rounding of times taken off. */
SP_EXPORT int64_t sp_robust_least(const Cell *cell, int64_t from, int64_t to, double *least_hz, double *surely_hz) {
    const Cap law = cap_of(cell->cap);
    Options options;
    if (!robust_room(&options, robust_most_options(cell, from, to))) {
        robust_forget(&options);
        return NO_MEMORY;
    }
    for (int64_t n = from; n < to; n++) {
        robust_options(cell, &law, n, NULL, 0, &options);
        least_hz[n] = least_of_all(&options, &law);
        for (int64_t k = 0; k < options.count; k++) options.curve[k].most_s += 2.0 * options.curve[k].error_s;
        surely_hz[n] = least_of_all(&options, &law) * (1.0 - 4.0 * PAD);
    }
    robust_forget(&options);
    return DONE;
}

/* Sums over users at a price: as they are told to whoever asked. */
typedef struct {
    Sum value_j;
    double size_j, demand_hz, without, mobile_hz; /* mobile: shares times the rates at which they fall with the price */
} Demand;

enum { TOLD = 5 };

static void count_in(Demand *demand, const Answer *a) {
    add(&demand->value_j, a->value_j);
    demand->size_j += fabs(a->value_j);
    demand->demand_hz += a->share_hz;
    demand->mobile_hz += a->share_hz * a->rate;
}

static void tell(const Demand *demand, double *sums) {
    const double told[TOLD] = {sum_of(&demand->value_j), demand->size_j, demand->demand_hz, demand->without,
                               demand->mobile_hz};
    memcpy(sums, told, sizeof told);
}

/* A price, or two with one in between, at which users are asked; and what of a user's options may be the best there, with
   what each answered. */
typedef struct {
    const Cell *cell;
    Cap law;
    double price;
    Cut line;
    int64_t count, *index; /* among the rows asked */
    Curve *curve;
    Answer *answer;
    double *bound_j, *hint_s;
} Pass;

static int open_pass(Pass *pass, const Cell *cell, double price, double low, double high, int64_t most) {
    const size_t size = (size_t)(most + 1);
    pass->cell = cell;
    pass->law = cap_of(cell->cap);
    pass->price = price;
    pass->line = cut_at(INFINITY);
    pass->line.wide = low < high;
    for (int k = 0; k < 2 && low < high; k++) {
        pass->line.part[k] = (k ? high : low) / price;
        pass->line.rises[k] = price * log(pass->line.part[k]) * (1.0 + (k ? -1e-8 : 1e-8));
    }
    pass->index = malloc(size * sizeof *pass->index);
    pass->curve = malloc(size * sizeof *pass->curve);
    pass->answer = malloc(size * sizeof *pass->answer);
    pass->bound_j = malloc(size * sizeof *pass->bound_j);
    pass->hint_s = malloc(size * 2 * sizeof *pass->hint_s);
    return pass->index && pass->curve && pass->answer && pass->bound_j && pass->hint_s;
}

static void close_pass(Pass *pass) {
    free(pass->index);
    free(pass->curve);
    free(pass->answer);
    free(pass->bound_j);
    free(pass->hint_s);
}

/* A line that no bound of one option is above: what it does cost at the price. */
static void draw(Pass *pass, const Curve *c, const Answer *a) {
    if (!pass->line.wide) {
        pass->line.at_j[0] = pass->line.at_j[1] = a->value_j;
        return;
    }
    const double spent = spent_at(c, &pass->law, pass->price, a), paid = pass->price * a->share_hz;
    for (int k = 0; k < 2; k++) pass->line.at_j[k] = (spent + paid * (pass->line.part[k] - 1.0)) * (1.0 + 1e-11);
}

/* The best of some rows of a user, the first of equals: an index of what runs; -1 where there is none. By far most are
   ruled out by the bound of all shares and clocks, once the most promising one is known. `hint_s` has two numbers for
   each row: where it was found last, and how that moves with the price's logarithm, of which `moved` is the change. */
static int64_t run(Pass *pass, int64_t n, double most_hz, const int64_t *rows, int64_t first_row, int64_t count,
                   double *hint_s, double moved) {
    const Cell *cell = pass->cell;
    const Asking who = asking(cell, n);
    int64_t first = 0, best = -1;
    double best_j = INFINITY, clock = 0.0;
    pass->count = 0;
    pass->line.at_j[0] = pass->line.at_j[1] = INFINITY;
    for (int64_t k = 0; k < count; k++) {
        const Row *row = cell->row + (rows ? rows[k] : first_row + k);
        pass->bound_j[k] = count > 1 ? row_at_least(row, &who, pass->price * pass->line.part[0]) : 0.0;
        if (pass->bound_j[k] < pass->bound_j[first]) first = k;
    }
    for (int64_t j = -1; j < count; j++) {
        const int64_t k = j < 0 ? first : j, row = rows ? rows[k] : first_row + k;
        /* Values rise with the price. */
        if (k >= count || j == first || pass->bound_j[k] > pass->line.at_j[1]) continue;
        if (pass->line.wide && pass->bound_j[k] > pass->line.at_j[0] &&
            row_at_least(cell->row + row, &who, pass->price * pass->line.part[1]) > pass->line.at_j[1])
            continue;
        Curve *c = pass->curve + pass->count;
        Answer a = NOTHING;
        if (!lay_out(cell, &pass->law, &who, row, c)) continue;
        /* Other cuts of the same device are often best at a clock near that of the best so far. */
        if (hint_s[2 * k] > 0.0) a.uplink_s = hint_s[2 * k] + hint_s[2 * k + 1] * moved;
        else if (clock > 0.0) a.uplink_s = c->left_s - c->cycles / clock;
        const int found = priced_within(c, &pass->law, pass->price, most_hz, &pass->line, &a);
        hint_s[2 * k] = a.uplink_s;
        hint_s[2 * k + 1] = a.drift_s;
        if (!found) continue;
        pass->index[pass->count] = k;
        pass->answer[pass->count++] = a;
        if (a.value_j > best_j || (a.value_j == best_j && k > pass->index[best])) continue;
        best = pass->count - 1;
        best_j = a.value_j;
        draw(pass, c, &a);
        if (clock == 0.0 && a.uplink_s > 0.0) clock = clock_at(c, a.uplink_s);
    }
    return best;
}

/* Everybody's best option at a price: sums are of the values, of their sizes, of the shares, of users without one, and of
   shares times rates. `rows` from first[n] to first[n + 1] are the options of user n, all of its workload where there are
   none; `hint_s` has two numbers for each, 0 to begin with: see `run`. */
SP_EXPORT int64_t sp_robust_price(const Cell *cell, double price, double moved, const double *most_hz, int64_t from,
                                  int64_t to, const int64_t *first, const int64_t *rows, double *hint_s,
                                  int64_t *choice, double *share_hz, double *rate, double *sums) {
    Demand demand = {{0.0, 0.0}, 0.0, 0.0, 0.0, 0.0};
    Pass pass;
    const int room = open_pass(&pass, cell, price, price, price, robust_most_options(cell, from, to));
    for (int64_t n = from; room && n < to; n++) {
        const int64_t begin = first[n], first_row = cell->first[cell->workload[n]];
        const int64_t best = run(&pass, n, most_hz[n], rows ? rows + begin : NULL, first_row, first[n + 1] - begin,
                                 hint_s + 2 * begin, moved);
        const Answer none = NOTHING, *a = best < 0 ? &none : pass.answer + best;
        choice[n] = best < 0 ? -1 : pass.curve[best].row;
        share_hz[n] = a->share_hz;
        rate[n] = a->rate;
        if (best < 0) demand.without += 1.0;
        else count_in(&demand, a);
    }
    tell(&demand, sums);
    close_pass(&pass);
    return room ? DONE : NO_MEMORY;
}

/* Whether an option that runs is above the line after all, by what it answered, or by answers at both ends. */
static int drops(const Pass *pass, double most_hz, int64_t j) {
    const Answer *a = pass->answer + j;
    if (is_above(&pass->line, a->value_j, a->slope_hz)) return 1;
    if (isfinite(a->slope_hz)) return 0;
    for (int k = 0; k < 2; k++) {
        Answer end = NOTHING;
        end.uplink_s = a->uplink_s;
        if (priced(pass->curve + j, &pass->law, pass->price * pass->line.part[k], most_hz, pass->line.at_j[k], &end))
            return 0;
    }
    return 1;
}

/* As sp_robust_price, of all options; beside it those that may be somebody's best between two prices around it, in the
   order of rows and users: their number, `first` of the users from `from` on, and where each was found. `rows` and `hint_s`
   have room for all options of these users. Sums are followed by the largest share. */
SP_EXPORT int64_t sp_robust_sweep(const Cell *cell, double price, double low, double high, const double *most_hz,
                                  int64_t from, int64_t to, int64_t *first, int64_t *rows, double *hint_s,
                                  double *sums) {
    Demand demand = {{0.0, 0.0}, 0.0, 0.0, 0.0, 0.0};
    Pass pass;
    const int room = open_pass(&pass, cell, price, low, high, robust_most_options(cell, from, to));
    double widest = 0.0;
    int64_t kept = 0;
    for (int64_t n = from; room && n < to; n++) {
        const int64_t *own = cell->first + cell->workload[n], begin = kept, count = own[1] - own[0];
        first[n - from] = kept;
        memset(pass.hint_s, 0, (size_t)count * 2 * sizeof *pass.hint_s);
        const int64_t best = run(&pass, n, most_hz[n], NULL, own[0], count, pass.hint_s, 0.0);
        if (best < 0) {
            demand.without += 1.0;
            continue;
        }
        count_in(&demand, pass.answer + best);
        widest = larger(widest, pass.answer[best].share_hz);
        for (int64_t j = 0; j < pass.count; j++) {
            if (j != best && drops(&pass, most_hz[n], j)) continue;
            const int64_t row = pass.curve[j].row;
            int64_t at = kept++;
            for (; at > begin && rows[at - 1] > row; at--) {
                rows[at] = rows[at - 1];
                memcpy(hint_s + 2 * at, hint_s + 2 * (at - 1), 2 * sizeof *hint_s);
            }
            rows[at] = row;
            hint_s[2 * at] = pass.answer[j].uplink_s;
            hint_s[2 * at + 1] = pass.answer[j].drift_s;
        }
    }
    first[to - from] = kept;
    tell(&demand, sums);
    sums[TOLD] = widest;
    close_pass(&pass);
    return room ? kept : NO_MEMORY;
}

/* Shares of chosen options, moved with the price by a part `off` of it at the rates told, but not below the least ones;
   sums are of the shares, and of the energy over them. */
SP_EXPORT int64_t sp_robust_hand_out(const Cell *cell, double off, int64_t from, int64_t to, const int64_t *choice,
                                     const double *rate, double *share_hz, double *sums) {
    const Cap law = cap_of(cell->cap);
    Sum shares = {0.0, 0.0}, energy = {0.0, 0.0};
    int lacking = 0;
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        Curve c;
        double doubt;
        const int possible = lay_out(cell, &law, &who, choice[n], &c);
        lacking |= !possible;
        if (!possible) continue;
        if (sends(&c)) {
            share_hz[n] *= 1.0 + larger(off * rate[n], -0.5);
            const double s = c.scale_hz / share_hz[n];
            if (c.unit_s * (s / smaller(log1p(s), law.cap)) > c.most_s * (1.0 - PAD))
                share_hz[n] = larger(share_hz[n], robust_least_hz(&c, &law));
            add(&shares, share_hz[n]);
        }
        add(&energy, energy_at(&c, &law, share_hz[n], &doubt));
    }
    sums[0] = sum_of(&shares);
    sums[1] = lacking ? INFINITY : sum_of(&energy);
    return DONE;
}

/* What chosen options ask for at a price, and what they need at least; sums are of the shares, of what is beyond the
   least shares, and of the shares times the rates at which they fall with the price. */
SP_EXPORT int64_t sp_robust_respond(const Cell *cell, double price, int64_t from, int64_t to, const int64_t *choice,
                                    double *hint_s, double *share_hz, double *rate, double *least_hz,
                                    double *sums) {
    const Cap law = cap_of(cell->cap);
    sums[0] = sums[1] = sums[2] = 0.0;
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        Answer a = NOTHING;
        Curve c;
        if (lay_out(cell, &law, &who, choice[n], &c) && sends(&c)) {
            a.uplink_s = hint_s[n];
            priced(&c, &law, price, 2.0 * cell->bandwidth_hz, INFINITY, &a);
            hint_s[n] = a.uplink_s;
            if (!(least_hz[n] >= 0.0)) least_hz[n] = robust_least_hz(&c, &law);
            a.share_hz = larger(a.share_hz, least_hz[n]);
            if (a.share_hz == least_hz[n]) a.rate = 0.0;
        } else {
            least_hz[n] = 0.0;
        }
        share_hz[n] = a.share_hz;
        rate[n] = a.rate;
        sums[0] += a.share_hz;
        sums[1] += a.share_hz - least_hz[n];
        sums[2] += a.share_hz * a.rate;
    }
    return DONE;
}

/* What chosen options spend at their shares, all together; infinite where one does not keep its limits. */
SP_EXPORT double sp_robust_energy(const Cell *cell, int64_t from, int64_t to, const int64_t *choice,
                                  const double *share_hz) {
    const Cap law = cap_of(cell->cap);
    double energy = 0.0;
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        Curve c;
        double doubt;
        energy += lay_out(cell, &law, &who, choice[n], &c) ? energy_at(&c, &law, share_hz[n], &doubt) : INFINITY;
    }
    return energy;
}

/* Each user's least energy over its options with one share for everybody; infinite where none keeps its limits. */
SP_EXPORT int64_t sp_robust_equal(const Cell *cell, double each_hz, int64_t from, int64_t to, double *energy_j) {
    const Cap law = cap_of(cell->cap);
    for (int64_t n = from; n < to; n++) {
        const Asking who = asking(cell, n);
        const int64_t *first = cell->first + cell->workload[n];
        energy_j[n] = INFINITY;
        for (int64_t r = first[0]; r < first[1]; r++) {
            Curve c;
            double doubt;
            if (!lay_out(cell, &law, &who, r, &c)) continue;
            if (sends(&c) && robust_least_hz(&c, &law) > each_hz) continue;
            energy_j[n] = smaller(energy_at(&c, &law, each_hz, &doubt), energy_j[n]);
        }
    }
    return DONE;
}

/* One option at a price, as the tests hold it against arithmetic of other makers: value, share, rate, least share,
   energy at its share. */
SP_EXPORT int64_t sp_robust_option(const Cell *cell, int64_t n, int64_t row, double price, double most_hz, double *told) {
    const Cap law = cap_of(cell->cap);
    const Asking who = asking(cell, n);
    Curve c;
    Answer a = NOTHING;
    double doubt;
    if (!lay_out(cell, &law, &who, row, &c)) return 0;
    priced(&c, &law, price, most_hz, INFINITY, &a);
    told[0] = a.value_j;
    told[1] = a.share_hz;
    told[2] = a.rate;
    told[3] = robust_least_hz(&c, &law);
    told[4] = sends(&c) ? energy_at(&c, &law, a.share_hz, &doubt) : computing_j(&c, clock_at(&c, 0.0));
    return 1;
}
