package org.peftjava.peft;

import java.util.List;
import java.util.Map;
import org.peftjava.peft.tuner.TunerConfig;
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

  /** How much an adapter of VB-LoRA takes in a file. */
  default SavableParameters getNbSavableParameters(String adapterName) {
    TunerConfig config = peftConfig().get(adapterName);
    if (config == null) {
      throw new IllegalArgumentException(
          "There is no adapter \"" + adapterName + "\". There are " + peftConfig().keySet() + ".");
    }
    return SavableParameters.of((Module) this, adapterName, config);
  }

  /** The same of the adapter "default". */
  default SavableParameters getNbSavableParameters() {
    return getNbSavableParameters("default");
  }

  /** Prints {@link #getNbSavableParameters()}. */
  @SuppressWarnings("SystemOut")
  default void printSavableParameters() {
    System.out.println(getNbSavableParameters());
  }

  /** The adapters' configurations, by name. */
  Map<String, TunerConfig> peftConfig();

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
