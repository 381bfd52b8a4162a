//! Which tiles of the map have to be searched, and which places are inside.

use super::place::{Place, STEPS_MAX, Tile, latitude_degrees, latitude_distance, longitude_degrees};

/// What is searched around a place, in metres.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shape {
    /// All that is no farther than this.
    Circle(f64),
    /// All within half a width and half a height.
    Box {
        /// From west to east.
        width: f64,
        /// From south to north.
        height: f64,
    },
}

/// A shape at its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Area {
    /// Its middle.
    pub centre: Place,
    /// Its shape.
    pub shape: Shape,
}

/// Half the way around the Earth on the map of EPSG:3857, in metres.
const MERCATOR_MAX: f64 = 20_037_726.37;

impl Area {
    /// The distance of a place from the middle, if it is inside.
    pub fn distance_inside(&self, place: Place) -> Option<f64> {
        match self.shape {
            Shape::Circle(radius) => Some(self.centre.distance(place)).filter(|distance| *distance <= radius),
            Shape::Box { width, height } => {
                if latitude_distance(place.latitude, self.centre.latitude) > height / 2.0 {
                    return None;
                }
                // Along the parallel of the place.
                let beside = Place { longitude: self.centre.longitude, latitude: place.latitude };
                let inside = place.distance(beside) <= width / 2.0;
                inside.then(|| self.centre.distance(place))
            }
        }
    }

    /// The tiles that cover the area, the one of the middle first. They are of a size that nine are enough.
    pub fn tiles(&self) -> Vec<Tile> {
        let edges = self.edges();
        let mut middle = Tile::around(self.centre, self.steps());
        if middle.steps > 1 && !covers(middle, &edges) {
            middle = Tile::around(self.centre, middle.steps - 1);
        }
        let (longitudes, latitudes) = middle.spans();
        // Tiles on a side where the one of the middle reaches beyond the area are of no use; on the
        // largest tiles the map wraps around, so that nothing can be said.
        let spare = middle.steps >= 2;
        let south = spare && latitudes.min < edges.south;
        let north = spare && latitudes.max > edges.north;
        let west = spare && longitudes.min < edges.west;
        let east = spare && longitudes.max > edges.east;
        let around = [(0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1)]
            .into_iter()
            .filter(|(x, y)| !(south && *y < 0 || north && *y > 0 || west && *x < 0 || east && *x > 0));
        let mut tiles = vec![middle];
        for (position, (x, y)) in around.enumerate() {
            let tile = middle.moved(x, y);
            // Where the map wraps around, neighbours may be the same tile.
            if position == 0 || tiles.last() != Some(&tile) {
                tiles.push(tile);
            }
        }
        tiles
    }

    /// The bits that a tile's coordinates have if it is about as large as the area.
    fn steps(&self) -> u32 {
        let mut metres = match self.shape {
            Shape::Circle(radius) => radius,
            Shape::Box { width, height } => {
                libm::sqrt((width / 2.0) * (width / 2.0) + (height / 2.0) * (height / 2.0))
            }
        };
        if metres == 0.0 {
            return STEPS_MAX;
        }
        let mut steps: i32 = 1;
        while metres < MERCATOR_MAX {
            metres *= 2.0;
            steps += 1;
        }
        // Two fewer make room for most areas; near the poles tiles are narrow.
        steps -= 2;
        let latitude = self.centre.latitude.abs();
        steps -= i32::from(latitude > 66.0) + i32::from(latitude > 80.0);
        steps.clamp(1, STEPS_MAX as i32) as u32
    }

    /// The outermost coordinates.
    fn edges(&self) -> Edges {
        let (width, height) = match self.shape {
            Shape::Circle(radius) => (radius, radius),
            Shape::Box { width, height } => (width / 2.0, height / 2.0),
        };
        let Place { longitude, latitude } = self.centre;
        let up = latitude_degrees(height);
        // Redis measures the width on the side of the area that is nearer to the pole.
        let side = if latitude < 0.0 { latitude - up } else { latitude + up };
        let aside = longitude_degrees(width, side);
        Edges { west: longitude - aside, east: longitude + aside, south: latitude - up, north: latitude + up }
    }
}

/// Outermost coordinates, in degrees.
struct Edges {
    west: f64,
    east: f64,
    south: f64,
    north: f64,
}

/// Whether a tile and its neighbours reach to all edges.
fn covers(tile: Tile, edges: &Edges) -> bool {
    let north = tile.moved(0, 1).spans().1.max;
    let south = tile.moved(0, -1).spans().1.min;
    let east = tile.moved(1, 0).spans().0.max;
    let west = tile.moved(-1, 0).spans().0.min;
    !(north < edges.north || south > edges.south || east < edges.east || west > edges.west)
}
