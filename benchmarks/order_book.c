/* The order book and the replay of novation in C: what benchmarks/order_book.py holds the engine against.
 *
 * The same structure (prices in pages of 32 found through a slot, bits for what is used, queues as lists in a table of
 * orders), the same steps and the same rules of filling, with one order of ours in place of accounts: no margin, no
 * fees, no events, and no row is checked. Tables are made large enough beforehand. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
typedef int64_t i64;
#define PAGE_BITS 5
#define LAST 31
#define CHUNK_BITS 10
#define ALL 0xFFFFFFFFLL
#define NO_PRICE INT64_MIN
enum { CLEAR = 1, ADD, CANCEL, AMEND, FILL, TRADE };

typedef struct { i64 orders, best, top, chunk_first, chunks, chunk_base; } Side;
typedef struct { i64 used, next_free; } Page;
typedef struct { i64 lots, hidden, orders, first, last; } Price;
typedef struct {
  i64 owner, place, ticks, shown, hidden, next, previous, key, given, sequence, recorded, taken;
} Resting;
typedef struct { i64 ts_ns, local_ns, order, price_ticks, lots; int16_t kind, side; int32_t flags; } Row;
typedef struct {
  Side side[2];
  i64 *chunk, *slot;
  Page *page;
  Price *price;
  Resting *resting;
  i64 free_page, free_resting, sequence, last_e8;
} Book;

/* A book whose lists reach from `low` to `high` ticks, with so many orders and pages. */
Book *book_new(i64 low, i64 high, i64 orders, i64 pages) {
  Book *b = calloc(1, sizeof(Book));
  i64 base = low >> CHUNK_BITS, chunks = (high >> CHUNK_BITS) - base + 1;
  b->chunk = calloc(2 * chunks, 8);
  b->slot = calloc(2 * chunks << PAGE_BITS, 8);
  b->page = calloc(pages, sizeof(Page));
  b->price = calloc(pages << PAGE_BITS, sizeof(Price));
  b->resting = calloc(orders, sizeof(Resting));
  for (i64 i = 0; i < pages; i++) b->page[i].next_free = i + 1 < pages ? i + 1 : -1;
  for (i64 i = 0; i < pages << PAGE_BITS; i++) b->price[i].first = b->price[i].last = -1;
  for (i64 i = 0; i < orders; i++) b->resting[i].next = i + 1 < orders ? i + 1 : -1;
  for (int s = 0; s < 2; s++) b->side[s] = (Side){0, 0, -1, s * chunks, chunks, base};
  return b;
}

void book_free(Book *b) {
  free(b->chunk), free(b->slot), free(b->page), free(b->price), free(b->resting), free(b);
}

i64 book_best(Book *b, i64 place) { return b->side[place].orders ? b->side[place].best : NO_PRICE; }

static inline i64 slot_of(const Side *s, i64 ticks) {
  i64 chunk = (ticks >> CHUNK_BITS) - s->chunk_base;
  if (chunk < 0 || chunk >= s->chunks) return -1;
  return ((s->chunk_first + chunk) << PAGE_BITS) + ((ticks >> PAGE_BITS) & LAST);
}

static inline int page_ready(Book *b, i64 place, i64 ticks) {
  i64 slot = slot_of(&b->side[place], ticks);
  if (slot < 0) return 0;
  if (b->slot[slot]) return 1;
  i64 page = b->free_page;
  if (page < 0) return 0;
  b->free_page = b->page[page].next_free;
  b->slot[slot] = page + 1;
  return 1;
}

static inline i64 queue_at(Book *b, i64 place, i64 ticks) {
  return ((b->slot[slot_of(&b->side[place], ticks)] - 1) << PAGE_BITS) + (ticks & LAST);
}

static inline int is_better(i64 place, i64 ticks, i64 than) { return place == 0 ? ticks > than : ticks < than; }
static inline i64 first_of(i64 bits, int down) { return down ? 63 - __builtin_clzll(bits) : __builtin_ctzll(bits); }
static inline i64 beyond(i64 bits, i64 at, int down) {
  i64 below = (1LL << at) - 1;
  return down ? bits & below : bits & (ALL ^ (below | (1LL << at)));
}

static i64 price_after(Book *b, i64 place, i64 ticks) {
  Side *s = &b->side[place];
  int down = place == 0;
  i64 slot = slot_of(s, ticks), bits = 0;
  if (b->slot[slot]) bits = beyond(b->page[b->slot[slot] - 1].used, ticks & LAST, down);
  if (bits) return (ticks & ~(i64)LAST) + first_of(bits, down);
  i64 chunk = slot >> PAGE_BITS;
  bits = beyond(b->chunk[chunk], slot & LAST, down);
  while (!bits) {
    chunk += down ? -1 : 1;
    if (chunk < s->chunk_first || chunk >= s->chunk_first + s->chunks) return NO_PRICE;
    bits = b->chunk[chunk];
  }
  slot = (chunk << PAGE_BITS) + first_of(bits, down);
  i64 used = b->page[b->slot[slot] - 1].used;
  i64 page = (slot & LAST) + ((chunk - s->chunk_first + s->chunk_base) << PAGE_BITS);
  return (page << PAGE_BITS) + first_of(used, down);
}

static inline void stand(Book *b, i64 row) {
  Resting *r = &b->resting[row];
  Side *s = &b->side[r->place];
  r->sequence = ++b->sequence;
  i64 at = queue_at(b, r->place, r->ticks);
  Price *q = &b->price[at];
  r->previous = q->last;
  r->next = -1;
  if (q->last >= 0) b->resting[q->last].next = row;
  else q->first = row;
  q->last = row;
  if (!s->orders || is_better(r->place, r->ticks, s->best)) s->best = r->ticks, s->top = row;
  if (!q->orders) {
    i64 slot = slot_of(s, r->ticks);
    b->page[at >> PAGE_BITS].used |= 1LL << (r->ticks & LAST);
    b->chunk[slot >> PAGE_BITS] |= 1LL << (slot & LAST);
  }
  q->orders++, q->lots += r->shown, q->hidden += r->hidden, s->orders++;
}

static inline void leave(Book *b, i64 row) {
  Resting *r = &b->resting[row];
  Side *s = &b->side[r->place];
  i64 at = queue_at(b, r->place, r->ticks);
  Price *q = &b->price[at];
  if (r->previous >= 0) b->resting[r->previous].next = r->next;
  else q->first = r->next;
  if (r->next >= 0) b->resting[r->next].previous = r->previous;
  else q->last = r->previous;
  if (s->top == row) s->top = -1;
  q->orders--, q->lots -= r->shown, q->hidden -= r->hidden, s->orders--;
  if (q->orders) return;
  i64 slot = slot_of(s, r->ticks), page = at >> PAGE_BITS;
  b->page[page].used &= ALL ^ (1LL << (r->ticks & LAST));
  if (!b->page[page].used) {
    b->chunk[slot >> PAGE_BITS] &= ALL ^ (1LL << (slot & LAST));
    b->slot[slot] = 0;
    b->page[page].next_free = b->free_page;
    b->free_page = page;
  }
  if (s->best == r->ticks && s->orders) s->best = price_after(b, r->place, r->ticks);
}

static inline void lower(Book *b, i64 row, i64 lots) {
  Resting *r = &b->resting[row];
  r->shown -= lots;
  b->price[queue_at(b, r->place, r->ticks)].lots -= lots;
}

static inline void set_shown(Book *b, i64 row, i64 shown) {
  Resting *r = &b->resting[row];
  if (!r->shown) return;
  if (!shown) leave(b, row), r->shown = 0;
  else if (shown != r->shown) lower(b, row, r->shown - shown);
}

static inline void lose(Book *b, i64 row, i64 lots) {
  Resting *r = &b->resting[row];
  r->recorded -= lots;
  if (r->recorded <= 0) {
    if (r->shown > 0) leave(b, row);
    r->shown = r->recorded = r->taken = 0;
  } else if (!r->taken) lower(b, row, lots);
  else set_shown(b, row, r->recorded > r->taken ? r->recorded - r->taken : 0);
}

/* -- replay: one bid of one lot of ours, its row the one behind the slots --------------------------------------- */

typedef struct { i64 placed, fills, looks, mine, working; } Mine;

static void fill_mine(Book *b, Mine *m) {
  leave(b, m->mine);
  b->resting[m->mine].shown = 0;
  m->working = 0;
  m->fills++;
}

/* An aggressor goes through the bids from the best on, and trades with ours if it reaches it. */
static void hits(Book *b, const Row *f, Mine *m) {
  Resting *x = &b->resting[m->mine];
  if (x->ticks < f->price_ticks) return;
  i64 passed = 0;
  for (i64 t = book_best(b, 0); t != NO_PRICE && t >= f->price_ticks && passed < f->lots; t = price_after(b, 0, t))
    for (i64 row = b->price[queue_at(b, 0, t)].first; row >= 0 && passed < f->lots; row = b->resting[row].next) {
      if (row == m->mine) { fill_mine(b, m); return; }
      passed += b->resting[row].shown;
    }
}

/* An ask of the record that came to stand meets our bid. */
static void meets(Book *b, i64 row, Mine *m) {
  Resting *r = &b->resting[row], *x = &b->resting[m->mine];
  if (r->place != 1 || !r->shown || x->ticks < r->ticks) return;
  r->taken++;
  if (r->shown == 1) leave(b, row), r->shown = 0;
  else lower(b, row, 1);
  fill_mine(b, m);
}

static void look(Book *b, Mine *m) {
  m->looks++;
  i64 bid = book_best(b, 0);
  Resting *x = &b->resting[m->mine];
  if (m->working && bid == x->ticks && b->price[queue_at(b, 0, bid)].lots == 1) bid = price_after(b, 0, bid);
  if (bid == NO_PRICE || (m->working && x->ticks == bid)) return;
  if (m->working) leave(b, m->mine);
  page_ready(b, 0, bid);
  *x = (Resting){0, 0, bid, 1};
  stand(b, m->mine);
  m->working = 1;
  m->placed++;
}

/* Replay rows; looking every so often. peer: fill as hftbacktest's L3 model does, by the record's FILL rows at our price
 * and by a best ask that comes to it. out: orders placed, filled, looks. */
void replay(Book *b, const Row *rows, i64 n, i64 slots, i64 look_ns, i64 every_ns, i64 peer, i64 *out) {
  Mine m = {0, 0, 0, slots, 0};
  for (i64 i = 0; i < n; i++) {
    const Row *f = &rows[i];
    while (look_ns < f->ts_ns) { look(b, &m); look_ns += every_ns; }
    if (f->kind == TRADE) {
      b->last_e8 = f->price_ticks;
      if (m.working && f->side != 1 && !peer) hits(b, f, &m);
      continue;
    }
    i64 row = f->order;
    Resting *r = &b->resting[row];
    if (f->kind == CANCEL || f->kind == FILL) {
      if (peer && f->kind == FILL && m.working && r->place == 0) {
        Resting *x = &b->resting[m.mine];
        if (x->ticks == r->ticks && x->sequence < r->sequence) fill_mine(b, &m);
      }
      lose(b, row, f->lots);
      continue;
    }
    if (f->kind == CLEAR) continue;
    if (f->kind == AMEND && r->ticks == f->price_ticks && f->lots <= r->recorded) {
      r->recorded = f->lots;
      set_shown(b, row, f->lots > r->taken ? f->lots - r->taken : 0);
      continue;
    }
    i64 place = f->side > 0 ? 0 : 1;
    if (!page_ready(b, place, f->price_ticks)) { out[0] = -1; return; }
    if (f->kind == ADD) r->owner = -1, r->taken = r->hidden = r->key = r->given = 0;
    else if (r->shown > 0) leave(b, row);
    r->place = place, r->ticks = f->price_ticks, r->recorded = f->lots;
    r->shown = f->lots > r->taken ? f->lots - r->taken : 0;
    if (r->shown > 0) stand(b, row);
    if (!m.working) continue;
    if (!peer) meets(b, row, &m);
    else if (place == 1 && b->resting[m.mine].ticks >= f->price_ticks) fill_mine(b, &m);
  }
  out[0] = m.placed, out[1] = m.fills, out[2] = m.looks;
  if (m.working) leave(b, m.mine);
}

/* -- matching: requests against each other ----------------------------------------------------------------------- */

static inline i64 take(Book *b, i64 side, i64 lots, i64 limit, int market, i64 *trades) {
  i64 place = side > 0 ? 1 : 0;
  while (lots > 0 && b->side[place].orders) {
    i64 ticks = b->side[place].best;
    if (!market && is_better(place, limit, ticks)) break;
    i64 row = b->price[queue_at(b, place, ticks)].first;
    Resting *r = &b->resting[row];
    i64 traded = lots < r->shown ? lots : r->shown;
    b->last_e8 = ticks;
    lots -= traded;
    ++*trades;
    lower(b, row, traded);
    if (!r->shown) leave(b, row), r->next = b->free_resting, b->free_resting = row;
  }
  return lots;
}

/* requests: kind, number, side, price, lots; rows: by number where its order stands. Returns how many trades. */
i64 match(Book *b, const i64 *requests, i64 n, i64 *rows) {
  i64 trades = 0;
  for (i64 i = 0; i < n; i++) {
    const i64 *q = requests + 5 * i;
    if (q[0] == CANCEL || q[0] == AMEND) {
      i64 row = rows[q[1]];
      leave(b, row);
      b->resting[row].next = b->free_resting, b->free_resting = row;
      if (q[0] == CANCEL) continue;
    }
    i64 lots = take(b, q[2], q[4], q[3], q[0] == TRADE, &trades);
    if (!lots || q[0] == TRADE) continue;
    i64 place = q[2] > 0 ? 0 : 1, row = b->free_resting;
    if (!page_ready(b, place, q[3])) return -1;
    b->free_resting = b->resting[row].next;
    b->resting[row] = (Resting){-1, place, q[3], lots};
    stand(b, row);
    rows[q[1]] = row;
  }
  return trades;
}
