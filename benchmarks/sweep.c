/* The exact sweep of benchmarks/sweep.py in C: value, tiered maintenance, equity, and what a test decides, of cross
 * accounts with up to three positions. The same integers and the same steps as novation's rules: a quotient estimated in
 * double, corrected by its remainder; money in whole minor units and 1e-16 parts.
 * ACCOUNT_*, POSITION_*: offsets of fields in the tables' rows, in int64, given on the command line. */
#include <stdint.h>
typedef int64_t i64;
#define E8 100000000LL
#define PART 10000000000000000LL
typedef struct { i64 cap, rate, most, cum; } Tier;
typedef struct { i64 mark, lot_value, tier_first, tier_count; } Market;
typedef struct { i64 whole, part; } Exact;
typedef struct { i64 maintenance, gone, near, check; } Out;

static inline i64 mul_div_rem(i64 a, i64 b, i64 c, i64 *rem) {
  double inverse = 1.0 / (double)c;
  i64 q = (i64)((double)a * (double)b * inverse);
  i64 r = (i64)((uint64_t)a * (uint64_t)b - (uint64_t)q * (uint64_t)c);
  i64 k = (i64)((double)r * inverse);
  q += k;
  r -= k * c;
  while (r < 0) { q--; r += c; }
  while (r >= c) { q++; r -= c; }
  *rem = r;
  return q;
}

static inline void add(Exact *sum, i64 whole, i64 part) {
  sum->whole += whole;
  sum->part += part;
  if (sum->part >= PART) { sum->part -= PART; sum->whole++; }
}

static inline void position(i64 lots, i64 cost, const Market *m, const Tier *tiers, Exact *equity, Exact *needed,
                            i64 *shown) {
  i64 rest, left, size = lots < 0 ? -lots : lots;
  i64 value = mul_div_rem(m->mark, size * m->lot_value, E8, &rest);
  const Tier *t = tiers + m->tier_first, *last = t + m->tier_count - 1;
  while (t < last && value > t->cap) t++;
  i64 whole = mul_div_rem(value, t->rate, E8, &left), part = left * E8 + rest * t->rate;
  if (part >= PART) { part -= PART; whole++; }
  whole -= t->cum;
  add(needed, whole, part);
  *shown += whole < 0 && part > 0 ? whole + 1 : whole;
  part = rest * E8;
  if (lots < 0) { value = part == 0 ? -value : -value - 1; part = part == 0 ? 0 : PART - part; }
  add(equity, value - cost, part);
}

static inline void judge(Exact e, Exact n, i64 shown, i64 ratio, Out *o) {
  i64 rest, share = mul_div_rem(e.whole < 0 && e.part > 0 ? e.whole + 1 : e.whole, ratio, E8, &rest);
  o->maintenance += shown;
  o->gone += e.whole < n.whole || (e.whole == n.whole && e.part <= n.part);
  o->near += shown > 0 && shown >= share;
  o->check = (i64)((uint64_t)o->check * 31 + (uint64_t)e.whole);
}

/* The venue's own tables, rows of three instruments and two legs an account, the second legs empty. */
void sweep_tables(const i64 *account, const i64 *positions, i64 n, const Market *m, const Tier *tiers, i64 ratio,
                  Out *o) {
  for (i64 i = 0; i < n; i++) {
    Exact equity = {account[i * ACCOUNT_SIZE + ACCOUNT_WALLET], 0}, needed = {0, 0};
    i64 shown = 0;
    for (int k = 0; k < 3; k++) {
      const i64 *p = positions + (6 * i + 2 * k) * POSITION_SIZE;
      if (p[POSITION_SCOPE] == 1 && p[POSITION_LOTS] != 0)
        position(p[POSITION_LOTS], p[POSITION_COST], m + p[POSITION_INSTRUMENT], tiers, &equity, &needed, &shown);
    }
    judge(equity, needed, shown, ratio, o);
  }
}

/* The least memory it can be done in: 56 bytes an account, one after another. */
void sweep_columns(const i64 *wallet, const i64 *lots, const i64 *cost, i64 n, const Market *m, const Tier *tiers,
                   i64 ratio, Out *o) {
  for (i64 i = 0; i < n; i++) {
    Exact equity = {wallet[i], 0}, needed = {0, 0};
    i64 shown = 0;
    for (int k = 0; k < 3; k++) position(lots[3 * i + k], cost[3 * i + k], m + k, tiers, &equity, &needed, &shown);
    judge(equity, needed, shown, ratio, o);
  }
}
