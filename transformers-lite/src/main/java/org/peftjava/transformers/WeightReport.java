package org.peftjava.transformers;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;
import org.peftjava.torch.Shape;
import org.peftjava.torch.nn.StateDict.ShapeConflict;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * What a checkpoint and a model do not have in common.
 *
 * @param folder of the checkpoint
 * @param className the model's class in Python
 * @param missing the model's weights that the file lacks
 * @param mismatched the model's weights that have another shape in the file
 * @param unexpected the file's names that the model has no place for
 */
record WeightReport(
    Path folder,
    String className,
    Map<String, Shape> missing,
    Map<String, ShapeConflict> mismatched,
    List<String> unexpected) {
  private static final Logger LOG = LoggerFactory.getLogger(PretrainedWeights.class);
  private static final int NAMES_SHOWN = 8;

  /** Throws if weights are missing that may not be, or have other shapes. */
  void throwUnless(Predicate<String> mayBeNew, Predicate<String> mayMismatch) {
    List<String> problems = new ArrayList<>();
    mismatched.forEach(
        (name, shapes) -> {
          if (!mayMismatch.test(name)) {
            problems.add(conflict(name, shapes));
          }
        });
    boolean onlyHeads = !problems.isEmpty() && mismatched.keySet().stream().allMatch(mayBeNew);
    missing.forEach(
        (name, shape) -> {
          if (!mayBeNew.test(name)) {
            problems.add(name + " " + shape + " is missing");
          }
        });
    if (!problems.isEmpty()) {
      throw new IllegalArgumentException(
          "The weights in "
              + folder
              + " do not fit "
              + className
              + ": "
              + some(problems)
              + ". Do config.json and the weights belong together?"
              + (onlyHeads
                  ? " For a head with another number of labels set ignoreMismatchedSizes(true)."
                  : ""));
    }
  }

  /** Tells in a warning what got fresh values and what is not used. */
  void warn() {
    info()
        .report()
        .ifPresent(table -> LOG.warn("{} LOAD REPORT from: {}\n{}", className, folder, table));
  }

  /** What is told. */
  LoadingInfo info() {
    return new LoadingInfo(List.copyOf(missing.keySet()), unexpected, mismatched);
  }

  private static String conflict(String name, ShapeConflict shapes) {
    return name + " is " + shapes.inFile() + " in the file, " + shapes.inModule() + " expected";
  }

  private static String some(List<String> names) {
    String shown = String.join(", ", names.subList(0, Math.min(NAMES_SHOWN, names.size())));
    int more = names.size() - NAMES_SHOWN;
    return more > 0 ? shown + " and " + more + " more" : shown;
  }
}
