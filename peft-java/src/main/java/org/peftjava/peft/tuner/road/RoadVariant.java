package org.peftjava.peft.tuner.road;

import com.google.common.collect.ImmutableList;
import java.util.Locale;

/** How the elements of a pair's 2x2 matrix share angles and scales. */
enum RoadVariant {
  /** One for all four. */
  ROAD_1(0, 0, 0, 0),
  /** One for each row. */
  ROAD_2(0, 1, 0, 1),
  /** One for each element. */
  ROAD_4(0, 1, 2, 3);

  private final ImmutableList<Integer> places;

  RoadVariant(int c1, int c2, int s1, int s2) {
    places = ImmutableList.of(c1, c2, s1, s2);
  }

  static RoadVariant parse(String name) {
    return valueOf(name.toUpperCase(Locale.ROOT));
  }

  /** Values for each pair. */
  long perPair() {
    return places.get(3) + 1L;
  }

  /** Where the value of an element is; elements are counted c1, c2, s1, s2. */
  int place(int element) {
    return places.get(element);
  }
}
