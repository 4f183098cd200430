"""Dated, sourced facts of the exchanges: contracts, fees, brackets and margins, and the look-up over them."""

from novation.reference.bracket_files import Brackets as Brackets
from novation.reference.bracket_files import read_brackets as read_brackets
from novation.reference.brackets import check_tiers as check_tiers
from novation.reference.files import Margin as Margin
from novation.reference.files import brackets_from_file as brackets_from_file
from novation.reference.files import margins_from_file as margins_from_file
from novation.reference.lookup import Reference as Reference
