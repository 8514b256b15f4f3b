"""The one error of the command line: something that was asked for cannot be done."""


class Refused(Exception):
    """What was asked for cannot be done. The text names the option or file, its value and what was expected.

    The command prints it and exits with status 2 (1 where the machine is at fault, see `status`)."""

    def __init__(self, text: str, status: int = 2):
        super().__init__(text)
        self.status = status
