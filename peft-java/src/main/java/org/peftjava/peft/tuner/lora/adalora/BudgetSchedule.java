package org.peftjava.peft.tuner.lora.adalora;

/**
 * How many ranks all layers together may have at a step: all at first, then fewer and fewer along a
 * cubic curve, then the target.
 *
 * <p>Reference: PEFT {@code RankAllocator.budget_schedule}.
 *
 * @param initial ranks of all layers at first
 * @param target ranks of all layers at the end
 */
record BudgetSchedule(int initial, int target, AdaLoraConfig config) {
  /** The step at which the last choice is made. */
  int end() {
    return config.totalStep() - config.tfinal();
  }

  /** Ranks at a step, counted from 0. */
  int budget(int step) {
    if (step <= config.tinit()) {
      return initial;
    }
    if (step > end()) {
      return target;
    }
    double left = 1 - (double) (step - config.tinit()) / (end() - config.tinit());
    return (int) ((initial - target) * Math.pow(left, 3) + target);
  }

  /** Whether ranks are chosen at a step, counted from 0. */
  boolean chooses(int step) {
    return step == end() || (step > config.tinit() && step < end() && step % config.deltaT() == 0);
  }
}
