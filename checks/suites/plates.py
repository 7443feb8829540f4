"""What must be true of the text on a plate, and of how the plate region looks."""

from typing import Any

from checks.suites.suite import between, critical, expectations, warning
from plates.ccpd.alphabet import CHARACTERS, LETTERS, NO_CHARACTER, PROVINCES

ENERGY = "ABCDEFGHJK"  # A to E: battery; F to K: hybrid (GA 36-2018)


def plates() -> list[Any]:
    """The expectations on `measures.characters`."""
    gxe = expectations()
    return [
        gxe.ExpectColumnValuesToBeInSet(
            column="plate_type",
            value_set=["blue", "green"],
            **critical("plate_type_known", "a plate is blue or green"),
        ),
        between("blue_characters", critical("blue_plate_has_7", "a blue plate has seven characters"), low=7, high=7),
        between("green_characters", critical("green_plate_has_8", "a green plate has eight characters"), low=8, high=8),
        gxe.ExpectColumnValuesToMatchRegex(
            column="blue_plate",
            regex=f"^[{PROVINCES}][{LETTERS}][{CHARACTERS}]*$",
            **critical(
                "blue_plate_alphabet", "a blue plate is a province, a city letter, then letters (no I) and digits"
            ),
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="green_plate",
            regex=f"^[{PROVINCES}][{LETTERS}][{CHARACTERS}]*$",
            **critical("green_plate_alphabet", "a green plate is made of the same alphabets"),
        ),
        gxe.ExpectColumnValuesToMatchRegex(
            column="green_plate",
            regex=f"^..(?:[{ENERGY}].*|.*[{ENERGY}])$",
            **warning("green_plate_energy", "a green plate's third or last character is its energy letter, A to K"),
        ),
        gxe.ExpectColumnValuesToNotMatchRegex(
            column="plate",
            regex=NO_CHARACTER,
            **critical("plate_complete", "no character of the plate is missing (O)"),
        ),
        between("brightness", warning("brightness_possible", "brightness is between 0 and 255"), low=0, high=255),
        between("blurriness", warning("blurriness_possible", "blurriness is a variance and not negative"), low=0),
    ]
