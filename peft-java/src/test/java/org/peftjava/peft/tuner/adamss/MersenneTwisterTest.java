package org.peftjava.peft.tuner.adamss;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** Against numbers of numpy 2.4 and labels of scikit-learn 1.6. */
class MersenneTwisterTest {
  private static final int SEED = 123_456_789;

  @Test
  void numbersAreNumpys() {
    MersenneTwister random = new MersenneTwister(SEED);
    double[] expected = {
      0.532833024789759,
      0.5341366008904166,
      0.509553035526467,
      0.7135640318327616,
      0.25699895475697543
    };
    for (double value : expected) {
      assertEquals(value, random.nextDouble());
    }
  }

  @Test
  void choicesAreNumpys() {
    assertArrayEquals(new int[] {8, 11, 3, 12}, new MersenneTwister(SEED).choice(16, 4));
    int[] many = new MersenneTwister(SEED).choice(200, 50);
    assertArrayEquals(new int[] {106, 101, 142, 51, 150, 176}, Arrays.copyOfRange(many, 0, 6));
    assertArrayEquals(new int[] {20, 141}, Arrays.copyOfRange(many, 48, 50));
  }

  @Test
  void clustersAreThoseOfScikitLearn() {
    double[][] points = new double[16][];
    int[] expected = {3, 1, 2, 2, 1, 1, 2, 0, 0, 0, 0, 3, 3, 0, 0, 0};
    for (int i = 0; i < points.length; i++) {
      points[i] = new double[] {(i * 37 % 19) / 4.0, (i * i * 5 % 23) / 6.0};
    }
    assertArrayEquals(expected, KMeans.cluster(points, 4, 10, SEED));
  }

  @Test
  void emptyClustersGetTheFarthestPoints() {
    double[][] points = new double[12][];
    int[] expected = {0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 2, 1};
    for (int i = 0; i < points.length; i++) {
      points[i] = new double[] {i < 9 ? 1 : i * i};
    }
    assertArrayEquals(expected, KMeans.cluster(points, 4, 10, SEED));
  }
}
