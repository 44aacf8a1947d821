"""`reached`: which places a chain of jumps visits, in as many steps as its length has digits."""

import tensorflow as tf


def reached(first: tf.Tensor, following: tf.Tensor) -> tf.Tensor:
    """Where one comes that goes from some places to the following one again and again.

    Args:
        first: bool [N], where to start.
        following: int32 [N], the place to go to from each place; N is the end.

    Returns:
        bool [N], the places reached, those to start from among them.

    Example:

    >>> first = tf.constant([True, False, False, False, False])
    >>> reached(first, tf.constant([2, 3, 4, 4, 5])).numpy().tolist()
    [True, False, True, False, True]
    """
    size = tf.size(following)

    def step(found, jump, _):
        ahead = tf.gather(jump, tf.where(found)[:, 0])
        new = tf.reduce_any(~tf.gather(found, ahead))
        found = tf.tensor_scatter_nd_update(found, ahead[:, None], tf.ones_like(ahead, tf.bool))
        # Twice as far in the next step.
        return found, tf.gather(jump, jump), new

    # The end follows itself.
    found = tf.concat([first, [True]], axis=0)
    jump = tf.concat([following, [size]], axis=0)
    found, *_ = tf.while_loop(
        lambda found, jump, new: new, step, (found, jump, True), parallel_iterations=1
    )
    return found[:-1]
