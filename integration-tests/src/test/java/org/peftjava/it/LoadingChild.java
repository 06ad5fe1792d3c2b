package org.peftjava.it;

import java.nio.file.Path;
import org.peftjava.torch.runtime.NativeRuntime;
import org.peftjava.transformers.AutoModelForCausalLM;
import org.peftjava.transformers.CausalLM;

/** Loads a small model, then a large one, and prints what memory that took at most. */
public final class LoadingChild {
  private LoadingChild() {}

  /** Arguments: the small model, the large model, the type. Prints bytes before and at most. */
  public static void main(String[] arguments) {
    AutoModelForCausalLM.fromPretrained(Path.of(arguments[0]), o -> o.dtype(arguments[2])).close();
    long before = NativeRuntime.residentBytes();
    try (CausalLM model =
        AutoModelForCausalLM.fromPretrained(Path.of(arguments[1]), o -> o.dtype(arguments[2]))) {
      System.out.println("took " + before + " " + NativeRuntime.peakResidentBytes());
    }
  }
}
