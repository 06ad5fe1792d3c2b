package org.peftjava.it;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.Map;
import java.util.OptionalDouble;
import org.peftjava.torch.nn.Parameter;
import org.peftjava.torch.optim.Adafactor;
import org.peftjava.torch.optim.Adagrad;
import org.peftjava.torch.optim.AdamW;
import org.peftjava.torch.optim.Optimizer;
import org.peftjava.torch.optim.RMSprop;
import org.peftjava.torch.optim.SGD;

/** Optimizers by Python's class and arguments. */
final class GoldenOptimizers {
  private GoldenOptimizers() {}

  static Optimizer of(Map<String, Parameter> parameters, JsonNode settings) {
    double rate = settings.path("lr").asDouble(0);
    double decay = settings.path("weight_decay").asDouble(0);
    return switch (settings.path("class").asText()) {
      case "AdamW" ->
          new AdamW(
              parameters,
              new AdamW.Options(
                  rate,
                  settings.path("betas").path(0).asDouble(),
                  settings.path("betas").path(1).asDouble(),
                  settings.path("eps").asDouble(),
                  decay));
      case "SGD" ->
          new SGD(
              parameters,
              new SGD.Options(
                  rate,
                  settings.path("momentum").asDouble(0),
                  settings.path("dampening").asDouble(0),
                  decay,
                  settings.path("nesterov").asBoolean(false)));
      case "Adagrad" ->
          new Adagrad(
              parameters,
              new Adagrad.Options(
                  rate,
                  settings.path("lr_decay").asDouble(0),
                  decay,
                  settings.path("eps").asDouble(Adagrad.Options.of(rate).eps())));
      case "RMSprop" -> {
        RMSprop.Options usual = RMSprop.Options.of(rate);
        yield new RMSprop(
            parameters,
            new RMSprop.Options(
                rate,
                settings.path("alpha").asDouble(usual.alpha()),
                settings.path("eps").asDouble(usual.eps()),
                decay,
                settings.path("momentum").asDouble(0),
                settings.path("centered").asBoolean(false)));
      }
      case "Adafactor" -> new Adafactor(parameters, adafactor(settings, rate, decay));
      default -> throw new IllegalArgumentException(settings.toString());
    };
  }

  private static Adafactor.Options adafactor(JsonNode settings, double rate, double decay) {
    Adafactor.Options usual = Adafactor.Options.defaults();
    return new Adafactor.Options(
        rate,
        settings.path("eps").path(0).asDouble(usual.eps1()),
        settings.path("eps").path(1).asDouble(usual.eps2()),
        settings.path("clip_threshold").asDouble(usual.clipThreshold()),
        settings.path("decay_rate").asDouble(usual.decayRate()),
        settings.has("beta1")
            ? OptionalDouble.of(settings.path("beta1").asDouble())
            : OptionalDouble.empty(),
        decay,
        settings.path("scale_parameter").asBoolean(usual.scaleParameter()),
        settings.path("relative_step").asBoolean(usual.relativeStep()),
        settings.path("warmup_init").asBoolean(usual.warmupInit()));
  }
}
