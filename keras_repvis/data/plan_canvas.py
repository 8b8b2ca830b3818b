"""The pixels of a picture of a street plan: how much of each of them the parts of the plan cover."""

import numpy as np

from keras_repvis.data import street_plan

_FRAME = 0.4  # No stamp is larger.


class PlanCanvas:
    """A square picture of a `street_plan.Plan`.

    What covers a pixel is a number from 0 to 1, 1/2 where an edge runs through its centre.

    Args:
        plan: `street_plan.Plan`.
        size: Side in pixels.

    Attributes:
        u: float32 array (size, size), a coordinate of the streets at the centres of the pixels.
        v: The other.
        block: int array (size, size), the number of the block among `plan.parks.ravel()`.
        narrow: float32 array (size, size), how much of each pixel the narrow roads cover.
        wide: The same of the wide roads.
    """

    def __init__(self, plan, size):
        self.plan = plan
        self.size = size
        cosine, sine = np.cos(plan.angle), np.sin(plan.angle)
        self._turn = np.array([[cosine, sine], [-sine, cosine]], np.float32)
        x = ((np.arange(size, dtype=np.float32) + 0.5) / size - 0.5)[None, :]
        self.u, self.v = (row[0] * x + row[1] * x.T for row in self._turn)
        row, column = (np.searchsorted(roads[:, 0], at) for roads, at in zip(plan.roads, (self.u, self.v)))
        self.block = row * plan.parks.shape[1] + column
        self._to_narrow, self._to_wide = (self._to_roads(width) for width in (street_plan.NARROW, street_plan.WIDE))
        self.narrow, self.wide = self._cover(self._to_narrow), self._cover(self._to_wide)
        self._to_water = np.float32(1.0)
        if plan.river is not None:
            self._to_water = plan.river.distance(self.u.astype(np.float64), self.v.astype(np.float64))

    def roads(self, beside=0.0):
        """Return the cover of all roads and what is at most `beside` from them."""
        return self._cover(np.minimum(self._to_narrow, self._to_wide) - beside)

    def water(self, beside=0.0):
        """Return the cover of the river and what is at most `beside` from it."""
        return self._cover(self._to_water - beside)

    def dashes(self, width, length):
        """Return the cover of broken lines along the middle of the wide roads."""
        cover = np.zeros((self.size, self.size), np.float32)
        for roads, across, along in zip(self.plan.roads, (self.u, self.v), (self.v, self.u)):
            for place in roads[roads[:, 1] == street_plan.WIDE, 0]:
                line = self._cover(np.abs(across - np.float32(place)) - width / 2)
                np.maximum(cover, line * (np.mod(along, 2 * length) < length), out=cover)
        return cover

    def rectangles(self, middles, halves):
        """Return the `Stamps` of rectangles along the streets: middles and half sides (n, 2)."""
        stamps = Stamps(self, middles, np.hypot(*halves.T))
        half_u, half_v = halves.astype(np.float32).T[:, :, None, None]
        stamps.cover = self._cover(np.abs(stamps.du) - half_u) * self._cover(np.abs(stamps.dv) - half_v)
        return stamps

    def discs(self, middles, radii):
        """Return the `Stamps` of discs: middles (n, 2) and radii (n,)."""
        stamps = Stamps(self, middles, radii)
        stamps.cover = self._cover(np.hypot(stamps.du, stamps.dv) - radii.astype(np.float32)[:, None, None])
        return stamps

    def to_streets(self, direction):
        """Return a direction of the picture (x, y) in the coordinates of the streets."""
        return self._turn @ direction

    def framed(self, image):
        """Return an image with room around it for stamps that reach over its edge."""
        frame = round(_FRAME * self.size)
        return np.pad(image, [(frame, frame)] * 2 + [(0, 0)] * (image.ndim - 2))

    def unframed(self, image):
        """Return what `framed` was given, as a view."""
        frame = round(_FRAME * self.size)
        return image[frame:-frame, frame:-frame]

    def _to_roads(self, width):
        distance = np.full((self.size, self.size), 1.0, np.float32)
        for roads, across in zip(self.plan.roads, (self.u, self.v)):
            for place in roads[roads[:, 1] == width, 0]:
                np.minimum(distance, np.abs(across - np.float32(place)), out=distance)
        return distance - np.float32(width / 2)

    def _cover(self, distance):
        """Return the cover of a shape by the distance of the pixels' centres from its edge, negative inside."""
        return np.clip(np.float32(0.5) - np.float32(self.size) * np.float32(distance), 0.0, 1.0)


class Stamps:
    """Squares of k x k pixels around points, all of one size.

    Attributes:
        du: float32 array (n, k, k), how far the pixels' centres are from the point along u.
        dv: The same along v.
        cover: float32 array (n, k, k), how much of each pixel the shape covers.
    """

    def __init__(self, canvas, middles, reach):
        size = canvas.size
        side = int(np.ceil(2 * np.max(reach, initial=0.0) * size)) + 2
        centres = (np.asarray(middles, np.float64) @ canvas._turn + 0.5) * size  # x, y in pixels
        corners = np.floor(centres - (side - 1) / 2).astype(int)
        steps = np.arange(side) + 0.5
        dx, dy = ((corners[:, i, None] + steps - centres[:, i, None]).astype(np.float32) / size for i in (0, 1))
        dx, dy = dx[:, None, :], dy[:, :, None]
        self.du, self.dv = (row[0] * dx + row[1] * dy for row in canvas._turn)
        self.cover = None
        self.side = side
        frame = round(_FRAME * size)
        inside = ((corners > -side) & (corners < size)).all(axis=1)
        self._places = [(i, corners[i, 1] + frame, corners[i, 0] + frame) for i in np.flatnonzero(inside)]

    def paint(self, framed, colours):
        """Lay colours, (n, 3) or (n, k, k, 3), one shape after the other over an image."""
        for i, top, left in self._places:
            window = framed[top : top + self.side, left : left + self.side]
            window += self.cover[i, :, :, None] * (colours[i] - window)

    def shade(self, framed):
        """Set the pixels of a layer `(height, width)` to the cover where that is more."""
        for i, top, left in self._places:
            window = framed[top : top + self.side, left : left + self.side]
            np.maximum(window, self.cover[i], out=window)
