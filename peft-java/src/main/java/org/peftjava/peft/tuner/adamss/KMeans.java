package org.peftjava.peft.tuner.adamss;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Clusters of points: Lloyd's algorithm from random points, as {@code sklearn.cluster.KMeans(init=
 * "random", n_init=1)} does it, with its steps and its random numbers.
 */
final class KMeans {
  private static final double TOLERANCE = 1e-4;

  private final double[][] points;
  private double[][] centers;
  private final int[] labels;

  private KMeans(double[][] points, int clusters, int seed) {
    this.points = points;
    centers = new double[clusters][];
    int[] chosen = new MersenneTwister(seed).choice(points.length, clusters);
    Arrays.setAll(centers, i -> points[chosen[i]].clone());
    labels = new int[points.length];
  }

  /**
   * The cluster of each point.
   *
   * @param points at least as many as clusters; moved so that their mean is 0
   * @param iterations the most
   */
  static int[] cluster(double[][] points, int clusters, int iterations, int seed) {
    double bound = TOLERANCE * center(points);
    KMeans means = new KMeans(points, clusters, seed);
    int[] before = new int[points.length];
    Arrays.fill(before, -1);
    for (int i = 0; i < iterations; i++) {
      means.assign();
      double shift = means.move();
      if (Arrays.equals(means.labels, before)) {
        return means.labels;
      }
      if (shift <= bound) {
        break;
      }
      System.arraycopy(means.labels, 0, before, 0, before.length);
    }
    means.assign();
    return means.labels;
  }

  /** Takes the mean off, and gives the mean of the variances. */
  private static double center(double[][] points) {
    int features = points[0].length;
    double variance = 0;
    for (int k = 0; k < features; k++) {
      double mean = 0;
      for (double[] point : points) {
        mean += point[k] / points.length;
      }
      for (double[] point : points) {
        point[k] -= mean;
        variance += point[k] * point[k] / points.length;
      }
    }
    return variance / features;
  }

  private void assign() {
    for (int i = 0; i < points.length; i++) {
      double least = Double.POSITIVE_INFINITY;
      for (int j = 0; j < centers.length; j++) {
        double distance = distance(points[i], centers[j]);
        if (distance < least) {
          least = distance;
          labels[i] = j;
        }
      }
    }
  }

  private static double distance(double[] a, double[] b) {
    double sum = 0;
    for (int k = 0; k < a.length; k++) {
      sum += (a[k] - b[k]) * (a[k] - b[k]);
    }
    return sum;
  }

  /** Moves each center to the mean of its points. Returns the sum of the squared distances. */
  private double move() {
    int features = points[0].length;
    double[][] moved = new double[centers.length][features];
    int[] counts = new int[centers.length];
    for (int i = 0; i < points.length; i++) {
      counts[labels[i]]++;
      add(moved[labels[i]], points[i], 1);
    }
    fillEmpty(moved, counts);
    double shift = 0;
    int largest =
        IntStream.range(0, counts.length).reduce((a, b) -> counts[b] > counts[a] ? b : a).orElse(0);
    for (int j = 0; j < moved.length; j++) {
      if (counts[j] > 0) {
        for (int k = 0; k < features; k++) {
          moved[j][k] /= counts[j];
        }
      } else {
        moved[j] = moved[largest].clone();
      }
      shift += distance(moved[j], centers[j]);
    }
    centers = moved;
    return shift;
  }

  private static void add(double[] to, double[] point, int sign) {
    for (int k = 0; k < to.length; k++) {
      to[k] += sign * point[k];
    }
  }

  /** Gives clusters without points those that are farthest from their centers. */
  private void fillEmpty(double[][] moved, int[] counts) {
    int[] empty = IntStream.range(0, counts.length).filter(j -> counts[j] == 0).toArray();
    if (empty.length == 0) {
      return;
    }
    double[] distances = new double[points.length];
    Arrays.setAll(distances, i -> distance(points[i], centers[labels[i]]));
    int[] far =
        IntStream.range(0, points.length)
            .boxed()
            .sorted(Comparator.comparingDouble((Integer i) -> -distances[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    if (distances[far[0]] == 0) {
      return;
    }
    for (int j = 0; j < empty.length; j++) {
      int point = far[j];
      add(moved[labels[point]], points[point], -1);
      counts[labels[point]]--;
      moved[empty[j]] = points[point].clone();
      counts[empty[j]] = 1;
    }
  }
}
