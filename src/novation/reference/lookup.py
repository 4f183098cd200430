"""Looking facts up by instrument and instant, and keeping account of what was used.

No number is ever made up: a look-up finds the row in force or raises `NoRuleInForce`, and the last row of a
table is not in force for ever. Where a user pins the look-ups to one day (`rules_as_of`), brings tables of
his own or overrides a value, `cautions()` says so in the words of a report.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from novation.domain.assets import Asset, AssetTerms
from novation.domain.enums import InstrumentKind, MarginMethod
from novation.domain.errors import ConfigError, DataError, InvalidInput, NoRuleInForce, UnknownInstrument
from novation.domain.instruments import Instrument, Terms
from novation.domain.units import DAY_NS, E8, iso, to_e8, to_ns
from novation.reference.bracket_files import Brackets
from novation.reference.brackets import tiers_of
from novation.reference.expiries import last_trading_day
from novation.reference.files import exchange_symbol
from novation.reference.holidays import business_days_of
from novation.reference.layouts import QUARTERLIES, VENUES, VenueTables
from novation.reference.local_time import instant_ns
from novation.reference.overrides import Override, read_override
from novation.reference.quarterlies import delivery_ns
from novation.reference.rulebook import ANY_KEY, SHIPPED, Folder, Rule, Rulebook, load_folder
from novation.reference.symbols import MONTHS, Name, Product, parse
from novation.reference.terms import DISCOUNT, PAID_IN, build_terms, check_fee_level
from novation.reference.user_store import reference_path

K = TypeVar("K")

#: Groups whose name alone does not say enough in a caution.
_SHOWN = {"contract": "contract rules"}


class Reference:
    """The facts one run rests on; make one per run, since it remembers what was asked (files are read once).

    tables: folders laid out as `reference/tables`, or YAML files of products (`reference.product_files`); the first is
    asked first, all before the shipped rows. One answers for the instants at which it has a row in force, and is never
    mixed with another for one.

    rules_as_of: an instant (ns, date or ISO text) at which every table is looked up in place of the asked
    one. A table that knows nothing of that day keeps its dated rows, and `cautions()` says so. Or a mapping
    of venue ("cme") or table ("binance_um/brackets") to such an instant, which pins those alone and must be
    known to them.

    overrides: values in the place of the exchange's (see `reference.overrides`).
    """

    def __init__(
        self,
        tables: Sequence[str | Path] = (),
        rules_as_of: Any = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        vip: int = 0,
        bnb: bool = False,
    ) -> None:
        check_fee_level(vip, bnb)
        self._fee_level, self._pays_in = str(vip), PAID_IN if bnb else ""
        self._book = Rulebook([_folder(Path(path)) for path in (*tables, SHIPPED)])
        self._products = self._read_products()
        self._pins = _read_pins(rules_as_of)
        self._used: dict[tuple[str, str, int, str], Rule] = {}
        self._in_part: set[tuple[str, str, int, str]] = set()  #: of those used, whose assumptions touch nothing
        self._instruments: dict[str, Instrument] = {}
        self._pinned: dict[tuple[str, int], list[str]] = {}
        self._not_pinned: dict[tuple[str, int], list[str]] = {}
        self._overridden: dict[str, None] = {}  #: ordered, each once
        self._overrides: dict[tuple[str, str], Override] = {}
        for symbol, given in (overrides or {}).items():
            try:
                name = self._name(symbol)
            except UnknownInstrument as error:
                raise error.at("overrides", "") from None
            if name.delivery:
                raise ConfigError(
                    "a quarterly's values cannot be overridden",
                    source="overrides",
                    where=symbol,
                    hint="Add rows of your own in a folder named by NOVATION_REFERENCE.",
                )
            asset = self._static(name, VENUES[name.venue].asset)
            override = read_override(name.id, name.venue, asset, given)
            if (name.venue, name.key) in self._overrides:
                raise ConfigError("is given twice", source="overrides", where=symbol)
            self._overrides[name.venue, name.key] = override

    @classmethod
    def default(
        cls,
        tables: Sequence[str | Path] = (),
        rules_as_of: Any = None,
        overrides: Mapping[str, Mapping[str, Any]] | None = None,
        *,
        vip: int = 0,
        bnb: bool = False,
    ) -> Reference:
        """As the class; the user's own tables are asked after `tables`: the folder named by NOVATION_REFERENCE, else
        `reference` in the store where `novation reference refresh --write` has made one.
        """
        folder = reference_path()
        given = bool(os.environ.get("NOVATION_REFERENCE")) or any((folder / venue).is_dir() for venue in VENUES)
        return cls((*tables, folder) if given else tables, rules_as_of, overrides, vip=vip, bnb=bnb)

    # ------------------------------------------------------------ names

    def resolve(self, symbol: str, on_ns: int | None = None) -> str:
        """The public id of a symbol in any accepted form (see `reference.symbols`).

        on_ns: an instant at which the contract was traded; needed for a year of one digit. Raises
        `UnknownInstrument`.

        >>> Reference().resolve("BTC/USDT:USDT")
        'binance_um:BTCUSDT'
        """
        return self._name(symbol, on_ns).id

    def symbols(self, venue: str) -> list[str]:
        """Every product of a venue that a table knows, by the name the venue gives it."""
        return [product.key for product in self._products if product.venue == venue]

    def perpetual(self, symbol: str) -> str:
        """As `resolve`; a symbol that no table knows is taken for a Binance USDⓈ-M contract by that name.

        For what rests on files of the user's own, which may know more symbols than the tables do.

        >>> Reference().perpetual("QQQQ/USDT:USDT")
        'binance_um:QQQQUSDT'
        """
        try:
            id = self.resolve(symbol)
        except UnknownInstrument as unknown:
            if any(name.startswith("binance_spot:") for name in unknown.candidates) or symbol.startswith(
                "binance_spot:"
            ):
                raise
        else:
            if VENUES[id.partition(":")[0]].spot:
                raise UnknownInstrument(symbol, reason="is spot, and a perpetual is asked for.")
            return id
        return f"binance_um:{exchange_symbol(symbol.strip().upper().removeprefix('BINANCE_UM:'))}"

    def is_rolled(self, symbol: str) -> bool:
        """Whether a symbol names a series of contracts ('cme:ES') and not one instrument."""
        name = self._name(symbol)
        return VENUES[name.venue].dated and not name.month

    def _name(self, symbol: str, on_ns: int | None = None) -> Name:
        return parse(symbol, self._products, tuple(VENUES), on_ns)

    def _read_products(self) -> tuple[Product, ...]:
        products = []
        for venue, tables in VENUES.items():
            table = f"{venue}/{tables.groups['contract']}"
            quarterlies = set(self._book.keys(f"{venue}/quarterlies"))
            for key in self._book.keys(table):
                row = self._book.rules(table, key)[0].row
                spans = self._book.spans(table, key)
                products.append(
                    Product(
                        venue,
                        key,
                        tables.dated,
                        row.get("base", ""),
                        row.get("quote", ""),
                        row.get("asset", ""),
                        int(iso(min(first for first, _ in spans))[:4]),
                        int(iso(max(last for _, last in spans))[:4]),
                        quarterly=key in quarterlies,
                        months=self._months(venue, key),
                        spot=tables.spot,
                    )
                )
        return tuple(products)

    def _months(self, venue: str, key: str) -> str:
        """Letters of the months that a product can be listed for; empty where no table says."""
        rules = self._book.rules(f"{venue}/products", key) if VENUES[venue].dated else []
        if any(rule.row["serials"] for rule in rules):
            return MONTHS
        return "".join(letter for letter in MONTHS if any(letter in rule.row["cycle"] for rule in rules))

    # ------------------------------------------------------------ instruments

    def instrument(self, symbol: str, on_ns: int | None = None) -> Instrument:
        """One tradable thing. Its tick is the coarsest grid that holds every dated tick of the product.

        Raises `UnknownInstrument`, also for a rolled symbol, which is a series of instruments.
        """
        name = self._name(symbol, on_ns)
        if VENUES[name.venue].dated and not name.month:
            raise UnknownInstrument(
                symbol,
                reason=f"is a series of contracts; ask for one, e.g. {Name(name.venue, name.key, 202612).id}.",
            )
        return self._instrument(name)

    def _instrument(self, name: Name) -> Instrument:
        if name.id not in self._instruments:
            venue = _tables(name)
            own = self._override(name).values.get("contract", {})
            ticks = [rule.row[venue.tick] for rule in self._book.rules(*self._where(name, "contract"))]
            if venue.tick in own:
                ticks.append(own[venue.tick])
            crypto = not venue.dated
            expiry = name.delivery
            self._instruments[name.id] = Instrument(
                id=name.id,
                venue=name.venue,
                symbol=name.symbol,
                root=name.key,
                kind=self._kind(name),
                method=MarginMethod.TIERED if crypto else MarginMethod.PER_CONTRACT,
                asset=self._static(name, venue.asset),
                tick_e8=math.gcd(*(to_e8(tick) for tick in ticks)),
                lot_e8=to_e8(self._static(name, "lot_base")) if crypto else E8,
                multiplier_e8=E8 if crypto else to_e8(self._static(name, "multiplier_usd")),
                daily_settled=not crypto,
                contract_month=200_000 + int(expiry[:4]) if expiry else name.month,
                deliver_ns=delivery_ns(expiry) if expiry else self._last_ns(name),
                display=self._display(name),
            )
        return self._instruments[name.id]

    @staticmethod
    def _kind(name: Name) -> InstrumentKind:
        if _tables(name).spot:
            return InstrumentKind.SPOT
        return InstrumentKind.FUTURE if _tables(name).dated or name.delivery else InstrumentKind.PERPETUAL

    def _display(self, name: Name) -> str:
        """How people write a product's prices."""
        rules = self._book.rules(f"{name.venue}/products", name.key) if name.month else []
        return str(rules[-1].row["display"]) if rules else "decimal"

    def _last_ns(self, name: Name) -> int:
        """The instant at which a dated contract stops trading; 0 where no table says."""
        rules = self._book.rules(f"{name.venue}/products", name.key) if name.month else []
        if not rules:
            return 0
        row = rules[-1].row
        day = last_trading_day(row["last_day"], name.month, business_days_of(row["calendar"]))
        return instant_ns(day, row["last_time"], row["zone"])

    def _static(self, name: Name, column: str) -> Any:
        """A value that holds for good: of the override, else of the first folder that knows the key."""
        own = self._override(name).values.get("contract", {})
        if column in own:
            return own[column]
        place = self._where(name, "contract")
        first = next(folder.rules[place] for folder in self._book.folders if place in folder.rules)
        values = {rule.row[column] for rule in first}
        if len(values) > 1:
            raise DataError(
                f"{column} changes from date to date, which no instrument can follow",
                source=first[0].shown,
                where=name.key,
                value=", ".join(sorted(map(str, values))),
            )
        return values.pop()

    def _override(self, name: Name) -> Override:
        return Override() if name.delivery else self._overrides.get((name.venue, name.key), Override())

    def currency(self, symbol: str, on_ns: int | None = None) -> str:
        """What an instrument, or a rolled symbol, is settled in. Raises `UnknownInstrument`.

        >>> Reference().currency("cme:ES"), Reference().currency("BTCUSDT")
        ('USD', 'USDT')
        """
        name = self._name(symbol, on_ns)
        return str(self._static(name, _tables(name).asset))

    # ------------------------------------------------------------ terms

    def terms(self, symbol: str, start_ns: int, end_ns: int, *, marked: bool = False) -> tuple[Terms, ...]:
        """The dated rules in [start_ns, end_ns): those in force at the start, then those after every change.

        The first has the date of its newest row, or the start where that row is pinned and younger; each
        further one the instant at which a row of contract, fees, margins, brackets or banding takes over. Raises
        `NoRuleInForce` where a table has no row in force at some instant of the range. A rolled symbol has
        the terms of all its contracts.

        marked: with what a venue needs that marks and funds the instrument itself. Where no floor and cap are known,
        they are the exchange's defaults as far as those are known, and `cautions` says so.
        """
        if end_ns <= start_ns:
            raise InvalidInput("the range is empty", source=symbol, where=f"{iso(start_ns)} to {iso(end_ns)}")
        name = self._name(symbol)
        instants = {start_ns}
        groups = [*self._groups(name), *(["marks"] if marked else [])]
        # Groups that may have no row: the limits of rates, and those that an override does not cover.
        own = self._override(name).values
        optional = [group for group in _tables(name).optional if group not in own]
        optional += ["funding"] if marked and not name.delivery else []
        groups += [DISCOUNT] if self._pays_in and "fees" in _tables(name).fixed else []
        for group in [*groups, *optional]:
            instants |= self._changes(name, group, start_ns, end_ns)
        found: list[Terms] = []
        before: dict[str, Rule] | None = None
        for at_ns in sorted(instants):
            rules = {group: self._rule(name, group, at_ns) for group in groups}
            rules |= {group: self._rule(name, group, at_ns) for group in optional if self._in_force(name, group, at_ns)}
            if rules != before:
                newest = max(rule.effective_ns for rule in rules.values())
                found.append(self._build(name, rules, at_ns if found else min(newest, at_ns)))
                before = rules
        return tuple(found)

    def funding_interval_hours(self, symbol: str, at_ns: int) -> int:
        """Hours between two funding stamps of a perpetual, in force at an instant."""
        name = self._name(symbol)
        _check_funded(name)
        own = self._override(name).values.get("contract", {})
        column = "funding_interval_hours"
        return int(own[column] if column in own else self._rule(name, "contract", at_ns).row[column])

    def funding_limits(self, symbol: str, at_ns: int) -> tuple[int, int]:
        """Floor and cap of a perpetual's funding rate at an instant, in 1e-8 per interval.

        Known of few symbols: raises `NoRuleInForce` for the others, for which no limit may be assumed.
        """
        name = self._name(symbol)
        table = f"{name.venue}/funding"
        _check_funded(name)
        rule = self._book.in_force(table, name.key, at_ns)
        if rule is None:
            known = self._book.known(table, name.key) or f"it has no row of {name.key}"
            hint = "Fetch the exchange's with `novation reference refresh`."
            raise NoRuleInForce(table, name.id, iso(at_ns), known=known, hint=hint)
        self._used[table, name.key, rule.effective_ns, rule.shown] = rule
        return to_e8(rule.row["floor_fraction"]), to_e8(rule.row["cap_fraction"])

    def asset(self, venue: str, name: str, start_ns: int, end_ns: int) -> Asset:
        """What an asset counts for in Multi-Assets mode, one row of terms each time it changes in a range of time.

        Raises `NoRuleInForce`.

        >>> at = to_ns("2026-05-01")
        >>> Reference().asset("binance_um", "BNB", at, at).terms[0].bid_buffer_e8
        5000000
        """
        table = f"{venue}/assets"
        found = []
        for at_ns in sorted({start_ns} | self._book.changes(table, name, start_ns, end_ns)):
            pin = self._pin(table)
            rule = self._book.in_force(table, name, pin[0] if pin else at_ns)
            if rule is None:
                known = self._book.known(table, name) or f"it has no row of {name}"
                raise NoRuleInForce(table, f"{venue}:{name}", iso(pin[0] if pin else at_ns), known=known)
            self._used[table, name, rule.effective_ns, rule.shown] = rule
            shares = ("bid_buffer", "ask_buffer", "auto_bid_buffer", "auto_ask_buffer")
            found.append(
                AssetTerms(
                    effective_ns=at_ns,
                    exchange_below=to_e8(rule.row["auto_exchange_below_usd"]),
                    source=rule.citation,
                    **{f"{share}_e8": to_e8(rule.row[f"{share}_fraction"]) for share in shares},
                )
            )
            if pin:
                break
        return Asset(name=name, terms=tuple(found))

    def row(self, table: str, key: str, at_ns: int) -> Mapping[str, Any]:
        """The row of a table's key in force at an instant. Raises `NoRuleInForce`."""
        rule = self._book.in_force(table, key, at_ns)
        if rule is None:
            raise NoRuleInForce(table, key, iso(at_ns), known=self._book.known(table, key))
        return rule.row

    def rule(self, table: str, key: str, at_ns: int, *, in_part: bool = False) -> Rule | None:
        """The rule of a table's key in force at an instant, or None; it counts as used.

        in_part: only values that the row is sure of are wanted, so what it assumes of others is no caution.
        """
        rule = self._book.in_force(table, key, at_ns)
        if rule is not None:
            place = table, key, rule.effective_ns, rule.shown
            if not in_part:
                self._in_part.discard(place)
            elif place not in self._used:
                self._in_part.add(place)
            self._used[place] = rule
        return rule

    def required(self, table: str, key: str, at_ns: int, *, in_part: bool = False) -> Rule:
        """As `rule`; raises `NoRuleInForce` where none is."""
        rule = self.rule(table, key, at_ns, in_part=in_part)
        if rule is None:
            known = self.known(table, key) or f"it has no row of {key}"
            at, hint = iso(at_ns).removesuffix(" 00:00"), f"Add rows to {table}.csv in a folder of your own."
            raise NoRuleInForce(table, key, at, known=known, hint=hint)
        return rule

    def looked_up_at(self, table: str, id: str, at_ns: int) -> int:
        """The instant at which a table is read of an instrument for another: that of a pin, which `cautions` says."""
        pin = self._pin(table)
        if pin is None:
            return at_ns
        _note(self._pinned, (table.partition("/")[2], pin[0]), id)
        return pin[0]

    def overridden(self, symbol: str, group: str, column: str) -> Decimal | None:
        """What an override says of one value of an instrument; None where none does."""
        return self._override(self._name(symbol)).values.get(group, {}).get(column)

    def known(self, table: str, key: str) -> str:
        """In words through which days a table knows a key; empty where it does not."""
        return self._book.known(table, key)

    def latest_row(self, table: str, key: str) -> tuple[Mapping[str, Any], int, str] | None:
        """The newest row of a table's key, the last instant of which it is known, and its source; None without one."""
        found = self._book.latest(table, key)
        return (found[0].row, found[1], found[0].source) if found else None

    def newest_rule(self, table: str, key: str) -> Rule | None:
        """The last rule of a table's key in the first folder that has any, however long it is known."""
        return self._book.newest(table, key)

    def brackets(self, symbol: str, at_ns: int | None = None) -> Brackets:
        """The leverage brackets of a perpetual at an instant, or the newest that are known where none is given.

        For questions about one position; a run asks for `terms`, which never picks a date by itself. Raises
        `UnknownInstrument`, `NoRuleInForce`.
        """
        name = self._name(symbol)
        if "brackets" not in VENUES[name.venue].groups:
            spot = VENUES[name.venue].spot
            problem = (
                "is spot: bought in full, with no brackets" if spot else "has a margin per contract and no brackets"
            )
            raise InvalidInput(problem, source=name.id)
        asset = self._static(name, VENUES[name.venue].asset)
        own = self._override(name)
        if own.tiers:
            source = "override, not the exchange's"
            return Brackets(symbol=name.symbol, asset=asset, tiers=own.tiers, source=source, assumption=source)
        table, key = self._where(name, "brackets")
        if at_ns is None:
            latest = self._book.latest(table, key)
            if latest is None:
                raise self._missing(name, "brackets", 0, pinned=False)
            rule, known_ns = latest
        else:
            rule = self._rule(name, "brackets", at_ns)
            known_ns = max((last for first, last in self._book.spans(table, key) if first <= at_ns), default=0) - 1
        self._used[table, key, rule.effective_ns, rule.shown] = rule
        return Brackets(
            symbol=name.symbol,
            asset=asset,
            tiers=tiers_of(rule.rows, asset),
            source=rule.source if rule.shown == table else f"{rule.shown}, {rule.source}",
            effective_ns=rule.effective_ns,
            known_ns=known_ns,
            assumption=rule.assumption,
        )

    def _groups(self, name: Name) -> list[str]:
        """The groups whose rows are needed: those that an override does not cover whole."""
        override = self._override(name)
        groups = _tables(name).groups
        return [g for g in groups if g == "contract" or not override.covers(name.venue, g)]

    def _where(self, name: Name, group: str) -> tuple[str, str]:
        venue = _tables(name)
        table, key = f"{name.venue}/{venue.groups.get(group, group)}", venue.fixed.get(group, name.key)
        if group == "fees" and group in venue.fixed:
            key = self._fee_level
        elif group == DISCOUNT:
            key = self._pays_in
        if group == "marks" and (name.delivery or not self._book.rules(table, key)):
            key = ANY_KEY
        return table, key

    def _in_force(self, name: Name, group: str, at_ns: int) -> bool:
        """Whether a look-up at an instant would find a rule."""
        table, key = self._where(name, group)
        pin = self._pin(table)
        return any(self._book.in_force(table, key, at) for at in (at_ns, *(pin[:1] if pin else ())))

    def _pin(self, table: str) -> tuple[int, bool] | None:
        """The instant a table is pinned to, and whether it was named."""
        for scope in (table, table.partition("/")[0], ""):
            if scope in self._pins:
                return self._pins[scope], bool(scope)
        return None

    def _changes(self, name: Name, group: str, start_ns: int, end_ns: int) -> set[int]:
        """Where a rule of the group may change inside a range; nowhere if it is pinned."""
        table, key = self._where(name, group)
        edges = self._book.changes(table, key, start_ns, end_ns)
        pin = self._pin(table)
        if pin and (rule := self._book.in_force(table, key, pin[0])):
            # A pin that leaves the first rule as it is may still hide a later one.
            if any(self._book.in_force(table, key, edge) != rule for edge in edges):
                _note(self._pinned, (group, pin[0]), name.id)
            return set()
        return edges

    def _rule(self, name: Name, group: str, at_ns: int) -> Rule:
        table, key = self._where(name, group)
        dated = self._book.in_force(table, key, at_ns)
        pin = self._pin(table)
        rule = self._book.in_force(table, key, pin[0]) if pin else dated
        if pin and rule and rule != dated:
            _note(self._pinned, (group, pin[0]), name.id)
        if pin and not rule and not pin[1] and dated:
            _note(self._not_pinned, (group, pin[0]), name.id)
            rule = dated
        if rule is None:
            raise self._missing(name, group, at_ns if pin is None else pin[0], pinned=pin is not None)
        self._used[table, key, rule.effective_ns, rule.shown] = rule
        return rule

    def _missing(self, name: Name, group: str, at_ns: int, *, pinned: bool) -> NoRuleInForce:
        table, key = self._where(name, group)
        at = iso(at_ns) + (" (rules_as_of)" if pinned else "")
        known = self._book.known(table, key)
        if not known:
            return NoRuleInForce(
                table,
                name.id,
                at,
                known=f"it has no row of {key}",
                hint="Add rows of your own in a folder named by NOVATION_REFERENCE.",
            )
        spans = [self._book.spans(*self._where(name, each)) for each in _tables(name).groups]
        # The day nearest to the one asked for, at whose midnight all tables of the instrument know it.
        first = max(min(first for first, _ in each) for each in spans if each)
        first += -first % DAY_NS
        last = min(max(last for _, last in each) for each in spans if each) - 1
        day = iso(min(max(at_ns, first), last))[:10]
        if first > last:
            hint = "Its tables have no day in common: add rows in a folder named by NOVATION_REFERENCE."
        else:
            hint = f'Pass rules_as_of="{day}" to use the rules of that day for all dates, '
            hint += "and the report will say so."
        return NoRuleInForce(table, name.id, at, known=known, hint=hint)

    def _build(self, name: Name, rules: Mapping[str, Rule], effective_ns: int) -> Terms:
        override = self._override(name)
        for said in override.said.values():
            for text in said:
                self._say(f"{text} of {_product(name)} is an override, not the exchange's")
        return build_terms(name, self._instrument(name), rules, override, effective_ns, say=self._say)

    def _say(self, text: str) -> None:
        """Put a sentence among the cautions, once."""
        self._overridden[text] = None

    # ------------------------------------------------------------ account of what was used

    def cautions(self) -> tuple[str, ...]:
        """What the look-ups so far took for granted, one sentence each: pins, assumed rows, overrides."""
        found: list[str] = []
        alike: dict[tuple[int, tuple[str, ...]], list[str]] = {}
        for (group, pin_ns), ids in self._pinned.items():
            _note(alike, (pin_ns, tuple(ids)), _SHOWN.get(group, group))
        for (pin_ns, users), groups in alike.items():
            found.append(f"{', '.join(groups)} of {iso(pin_ns)[:7]} used for all dates ({', '.join(users)})")
        for (group, pin_ns), ids in self._not_pinned.items():
            what = f"{_SHOWN.get(group, group)} not known in {iso(pin_ns)[:7]}"
            found.append(f"{what}, so the rows in force at each date used ({', '.join(ids)})")
        assumed: dict[str, list[str]] = {}
        for place, rule in self._used.items():
            if rule.assumption and place not in self._in_part:
                _note(assumed, f"{rule.table} {rule.key}", rule.assumption)
        found += [f"assumed in {place}: {'; '.join(texts)}" for place, texts in assumed.items()]
        return tuple(found + list(self._overridden))

    def used(self) -> tuple[str, ...]:
        """Each row that a look-up returned so far: table, key, date and source."""
        return tuple(f"{rule.key}: {rule.citation}" for rule in self._used.values())

    def digest(self) -> str:
        """BLAKE2b, 32 hex digits, over the values looked up so far; the wording of sources is left out."""
        lines = [f"{i.id} {i.asset} {i.tick_e8} {i.lot_e8} {i.multiplier_e8}" for i in self._instruments.values()]
        for rule in self._used.values():
            cells = (
                f"{name}={v.normalize():f}" if isinstance(v, Decimal) else f"{name}={v}"
                for row in rule.rows
                for name, v in row.items()
            )
            lines.append(f"{rule.table} {rule.key} {rule.effective_ns} {' '.join(cells)}")
        for (venue, key), override in self._overrides.items():
            texts = [text for said in override.said.values() for text in said]
            lines += [f"override {venue}:{key} {text}" for text in texts]
            lines += [f"override {venue}:{key} tier {tier}" for tier in override.tiers]
        return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()


def _folder(path: Path) -> Folder:
    """A folder of tables, or a file of products."""
    if path.suffix not in (".yaml", ".yml"):
        return load_folder(path)
    from novation.reference.product_files import load_products

    return load_products(path)


def _tables(name: Name) -> VenueTables:
    return QUARTERLIES if name.delivery else VENUES[name.venue]


def _check_funded(name: Name) -> None:
    """Refuse what pays no funding."""
    if _tables(name).dated or _tables(name).spot or name.delivery:
        what = "spot" if _tables(name).spot else "a dated future"
        raise InvalidInput(f"is {what} and has no funding", source=name.id)


def _product(name: Name) -> str:
    """The id of the product, which overrides and tables speak of: 'cme:ES' for each of its months."""
    return f"{name.venue}:{name.key}"


def _note(notes: dict[K, list[str]], key: K, text: str) -> None:
    if text not in (texts := notes.setdefault(key, [])):
        texts.append(text)


def _read_pins(given: Any) -> dict[str, int]:
    """Instants by scope: "" for all tables, else a venue or a table."""
    if given is None:
        return {}
    if not isinstance(given, Mapping):
        return {"": to_ns(given, source="rules_as_of")}
    tables = [f"{venue}/{name}" for venue, layouts in VENUES.items() for name in layouts.layouts]
    for scope in given:
        if scope not in VENUES and scope not in tables:
            raise ConfigError(
                "unknown venue or table",
                source="rules_as_of",
                where=str(scope),
                hint=f"Known: {', '.join([*VENUES, *tables])}.",
            )
    return {scope: to_ns(at, source="rules_as_of", where=scope) for scope, at in given.items()}
