"""Rotations of images in JAX, as the peers of the marginal-likelihood study take them."""
import jax.numpy as jnp


def rotate(images, angle):
    """images [B, side, side] -> [B, side side], turned around the middle, bilinear, zero outside."""
    side = images.shape[-1]
    flat = images.reshape(len(images), -1)
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    grid = jnp.linspace(-1, 1, side)
    y, x = jnp.meshgrid(grid, grid, indexing="ij")
    column, row = (cos * x - sin * y + 1) * (side - 1) / 2, (sin * x + cos * y + 1) * (side - 1) / 2
    left, top = jnp.floor(column), jnp.floor(row)
    right, bottom = column - left, row - top

    def at(i, j, share):
        inside = (i >= 0) & (i < side) & (j >= 0) & (j < side)
        index = jnp.clip(i, 0, side - 1) * side + jnp.clip(j, 0, side - 1)
        return flat[:, index.astype(int).ravel()] * inside.ravel() * share.ravel()
    return (at(top, left, (1 - bottom) * (1 - right)) + at(top, left + 1, (1 - bottom) * right)
            + at(top + 1, left, bottom * (1 - right)) + at(top + 1, left + 1, bottom * right))
