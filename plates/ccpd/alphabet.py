"""The three alphabets of a CCPD plate, and the length of each type (Xu et al., ECCV 2018; the authors' README)."""

PROVINCES = "皖沪津渝冀晋蒙辽吉黑苏浙京闽赣鲁豫鄂湘粤桂琼川贵云藏陕甘青宁新警学O"
LETTERS = "ABCDEFGHJKLMNPQRSTUVWXYZO"
CHARACTERS = "ABCDEFGHJKLMNPQRSTUVWXYZ0123456789O"

NO_CHARACTER = "O"  # the last symbol of each alphabet; a real plate holds no letter O

PLATE_LENGTHS = {"blue": 7, "green": 8}


def alphabet_of(position: int) -> str:
    """The symbols possible at a 0-based position of a plate: province, city letter, then letters and digits."""
    return (PROVINCES, LETTERS)[position] if position < 2 else CHARACTERS


def encode(plate: str) -> list[int]:
    """The indices that a file name gives for `plate`. Raises `ValueError` for a symbol outside the alphabet."""
    return [alphabet_of(position).index(symbol) for position, symbol in enumerate(plate)]
