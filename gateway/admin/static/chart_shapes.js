// Shapes of values: stacks of them, those that stand alone, and colours that let the grid through.

/** Put one above the other; a missing value counts as nothing unless the whole second is missing. */
export function stack(columns) {
  const missing = (columns[0] ?? []).map((_, at) => columns.every((column) => column[at] === null));
  const height = missing.map(() => 0);
  return columns.map((column) =>
    column.map((value, at) => {
      height[at] += value ?? 0;
      return missing[at] ? null : height[at];
    }),
  );
}

/** Places of values with nothing else within `reach` seconds: no line shows them. */
export function lonely(plot, at, reach) {
  const [times, values] = [plot.data[0], plot.data[at]];
  const known = values.flatMap((value, place) => (value === null ? [] : [place]));
  const far = (place, other) => other === undefined || Math.abs(times[place] - times[other]) > reach;
  return known.filter((place, rank) => far(place, known[rank - 1]) && far(place, known[rank + 1]));
}

export function faded(colour, share) {
  const parts = colour.match(/[\d.]+/g) ?? ["0", "0", "0"];
  return `rgba(${parts[0]}, ${parts[1]}, ${parts[2]}, ${share})`;
}
