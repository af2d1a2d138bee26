"""Confirms every change of users and tokens, for tests without a ledger to record it in."""


class Confirming:
    patience = 10.0

    def confirm(self, file, digest):
        pass

    def is_confirmed(self, file, digest):
        return True


CONFIRMED = Confirming()
