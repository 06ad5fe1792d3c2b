package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.Map;
import java.util.concurrent.Callable;
import org.peftjava.torch.DType;
import org.peftjava.torch.GradMode;
import org.peftjava.torch.Tensor;
import org.peftjava.torch.TensorScope;
import org.peftjava.transformers.ModelInput;
import org.peftjava.transformers.checkpoint.Safetensors;
import org.peftjava.transformers.tokenizer.TokenBatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft logits}: the model's logits for given token ids, to compare with Python's. */
@Command(name = "logits", description = "Writes the logits (float32) for given token ids.")
final class LogitsCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();
  @Mixin private AdaptedModelOptions models = new AdaptedModelOptions();

  @Option(
      names = "--input-ids",
      required = true,
      paramLabel = "FILE",
      description =
          ".json with a list of rows of ids, all of one length; or .safetensors with input_ids and,"
              + " if rows are padded, attention_mask.")
  private Path inputIds = Path.of("");

  @Option(
      names = "--output",
      required = true,
      paramLabel = "FILE",
      description = "The .safetensors file to write; it gets one tensor, logits.")
  private Path output = Path.of("");

  @Override
  public Integer call() {
    models.baseFolder();
    Inputs.file("file of ids", inputIds);
    Inputs.outputFile(output);
    common.apply();
    TokenBatch batch = TokenRows.read(inputIds);
    try (Subject subject = Subject.load(models);
        GradMode off = GradMode.noGrad();
        TensorScope scope = TensorScope.open("logits")) {
      TokenRows.checkVocabulary(inputIds, batch, subject.model().config().vocabSize());
      ModelInput input = ModelInput.of(batch, subject.model().device());
      Tensor logits =
          CommandFailure.data(() -> subject.model().forward(input))
              .logits()
              .orElseThrow()
              .to(DType.FLOAT32);
      Safetensors.write(output, Map.of("logits", logits), Map.of("format", "pt"));
      PrintWriter out = spec.commandLine().getOut();
      out.println("logits " + logits.shape() + " -> " + output);
    }
    return ExitCode.OK;
  }
}
