package org.peftjava.torch.optim;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

/** Schedules at their corners; the whole curves are compared with transformers' in golden tests. */
class LrScheduleTest {
  @Test
  void linearRisesAndFalls() {
    LrSchedule schedule = LrSchedule.linear(4, 12);
    assertEquals(0, schedule.factor(0));
    assertEquals(0.75, schedule.factor(3));
    assertEquals(1, schedule.factor(4));
    assertEquals(0.375, schedule.factor(9));
    assertEquals(0, schedule.factor(12));
    assertEquals(0, schedule.factor(20));
  }

  @Test
  void cosineFallsAlongHalfAWave() {
    LrSchedule schedule = LrSchedule.cosine(2, 10);
    assertEquals(0.5, schedule.factor(1));
    assertEquals(1, schedule.factor(2));
    assertEquals(0.5 * (1 + Math.cos(Math.PI / 4)), schedule.factor(4), 1e-15);
    assertEquals(0.5, schedule.factor(6), 1e-15);
    assertEquals(0, schedule.factor(10), 1e-15);
  }

  @Test
  void constantStays() {
    assertEquals(1, LrSchedule.constant().factor(1_000_000));
    assertEquals(0.25, LrSchedule.constantWithWarmup(8).factor(2));
    assertEquals(1, LrSchedule.constantWithWarmup(8).factor(8));
    assertEquals(1, LrSchedule.constantWithWarmup(0).factor(0));
  }

  @Test
  void warmupLongerThanTheRunKeepsRising() {
    assertEquals(7 / 30.0, LrSchedule.linear(30, 20).factor(7));
  }
}
