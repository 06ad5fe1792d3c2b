package org.peftjava.peft.tuner;

import java.util.List;
import java.util.Optional;

/**
 * What a config says about the modules to adapt.
 *
 * @param targets the modules
 * @param exclude modules to leave out, by names or pattern; wins over the targets
 * @param layersToTransform numbers of the layers to which names that hit by their end are
 *     restricted; empty for all
 * @param layersPattern names of the lists that hold the layers, as patterns; empty for any
 * @param modulesToSave modules that are trained in full: neither they nor what is below them is
 *     adapted
 * @param keepsNames whether names stay as they are however many there are
 */
public record TargetSpec(
    TargetModules targets,
    Optional<TargetModules> exclude,
    List<Integer> layersToTransform,
    List<String> layersPattern,
    List<String> modulesToSave,
    boolean keepsNames) {
  /** The same with other targets. */
  TargetSpec withTargets(TargetModules other) {
    return new TargetSpec(
        other, exclude, layersToTransform, layersPattern, modulesToSave, keepsNames);
  }

  /** The same, with names that stay as they are. */
  public TargetSpec keepingNames() {
    return new TargetSpec(targets, exclude, layersToTransform, layersPattern, modulesToSave, true);
  }
}
