package org.peftjava.peft;

import java.util.List;
import java.util.Optional;

/**
 * What {@link Peft#findKappaTargetModules} has chosen.
 *
 * @param targetModules full names of linear layers, best conditioned first
 * @param targetParameters full names of 3D parameters, best conditioned first; empty if there are
 *     none
 */
public record KappaTargets(List<String> targetModules, Optional<List<String>> targetParameters) {}
