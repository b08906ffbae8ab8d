"""The ways in which two replies may count as equal."""

from resp import Reply

ARRAYS = "*~>%"


def is_array(reply):
    return reply.kind in ARRAYS and reply.value is not None


def unordered(reply):
    """Arrays as multisets, at every depth: a SCAN's reply is an array in an array."""
    if not is_array(reply):
        return reply
    return Reply(reply.kind, sorted((unordered(item) for item in reply.value), key=repr))


def pairs(reply):
    """Arrays of pairs as multisets, whether flat, nested or a map."""
    if not is_array(reply):
        return reply
    # Pairs stand in the innermost array: HSCAN's reply is a cursor and an array of pairs.
    if any(is_array(item) for item in reply.value):
        if all(is_array(item) and len(item.value) == 2 for item in reply.value):
            return unordered(Reply(reply.kind, [Reply("pair", repr(item)) for item in reply.value]))
        return Reply(reply.kind, [pairs(item) for item in reply.value])
    couples = list(zip(reply.value[::2], reply.value[1::2]))
    return Reply(reply.kind, sorted(couples, key=repr)) if len(reply.value) % 2 == 0 else reply


def shape(reply):
    """Types and lengths of arrays only; errors are kept."""
    if is_array(reply):
        return Reply(reply.kind, [shape(item) for item in reply.value])
    return Reply(reply.kind, reply.value if reply.kind == "-" else reply.value is None)


def within(distance):
    """A comparison under which numbers may differ by the distance."""

    def same(ours, theirs):
        if is_array(ours) and is_array(theirs):
            return (ours.kind, len(ours.value)) == (theirs.kind, len(theirs.value)) and all(
                same(*both) for both in zip(ours.value, theirs.value))
        if ours == theirs:
            return True
        try:
            return ours.kind == theirs.kind and abs(float(ours.value) - float(theirs.value)) <= distance
        except (TypeError, ValueError):
            return False

    return same


def by(canonical):
    """A comparison of what the function makes of the two replies."""
    return lambda ours, theirs: canonical(ours) == canonical(theirs)
