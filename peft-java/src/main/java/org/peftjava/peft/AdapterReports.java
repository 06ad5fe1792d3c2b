package org.peftjava.peft;

import java.util.List;
import org.peftjava.torch.nn.Module;

/** What a model with adapters says about itself. */
interface AdapterReports {
  /** How many parameters are trained. */
  default TrainableParameters trainableParameters() {
    return report().parameters();
  }

  /** The same under the name that Python's method has. */
  default TrainableParameters getNbTrainableParameters() {
    return trainableParameters();
  }

  /** Prints {@link #trainableParameters}. */
  @SuppressWarnings("SystemOut")
  default void printTrainableParameters() {
    System.out.println(trainableParameters());
  }

  /** The state of each adapted layer. */
  default List<LayerStatus> getLayerStatus() {
    return report().layers();
  }

  /** The state of the whole model. */
  default ModelStatus getModelStatus() {
    return report().model();
  }

  private StatusReport report() {
    return StatusReport.of((Module) this);
  }
}
