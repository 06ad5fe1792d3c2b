package org.peftjava.peft.tuner;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;
import org.peftjava.peft.tuner.adamss.AdamssMethod;
import org.peftjava.peft.tuner.adaptionprompt.AdaptionPromptMethod;
import org.peftjava.peft.tuner.beft.BeftMethod;
import org.peftjava.peft.tuner.boft.BOFTMethod;
import org.peftjava.peft.tuner.c3a.C3AMethod;
import org.peftjava.peft.tuner.cartridge.CartridgeMethod;
import org.peftjava.peft.tuner.cpt.CPTMethod;
import org.peftjava.peft.tuner.deft.DeftMethod;
import org.peftjava.peft.tuner.delora.DeloraMethod;
import org.peftjava.peft.tuner.fourierft.FourierFTMethod;
import org.peftjava.peft.tuner.frod.FrodMethod;
import org.peftjava.peft.tuner.glora.GloraMethod;
import org.peftjava.peft.tuner.gralora.GraloraMethod;
import org.peftjava.peft.tuner.hira.HiraMethod;
import org.peftjava.peft.tuner.hra.HRAMethod;
import org.peftjava.peft.tuner.ia3.IA3Method;
import org.peftjava.peft.tuner.lily.LilyMethod;
import org.peftjava.peft.tuner.lntuning.LNTuningMethod;
import org.peftjava.peft.tuner.loha.LoHaMethod;
import org.peftjava.peft.tuner.lokr.LoKrMethod;
import org.peftjava.peft.tuner.lora.LoraMethod;
import org.peftjava.peft.tuner.lora.adalora.AdaLoraMethod;
import org.peftjava.peft.tuner.miss.MissMethod;
import org.peftjava.peft.tuner.multitaskprompttuning.MultitaskPromptTuningMethod;
import org.peftjava.peft.tuner.oft.OFTMethod;
import org.peftjava.peft.tuner.osf.OSFMethod;
import org.peftjava.peft.tuner.peanut.PeanutMethod;
import org.peftjava.peft.tuner.poly.PolyMethod;
import org.peftjava.peft.tuner.prefixtuning.PrefixTuningMethod;
import org.peftjava.peft.tuner.prompttuning.PromptTuningMethod;
import org.peftjava.peft.tuner.psoft.PsoftMethod;
import org.peftjava.peft.tuner.ptuning.PTuningMethod;
import org.peftjava.peft.tuner.pvera.PveraMethod;
import org.peftjava.peft.tuner.randlora.RandLoraMethod;
import org.peftjava.peft.tuner.road.RoadMethod;
import org.peftjava.peft.tuner.shadow.ShadowMethod;
import org.peftjava.peft.tuner.shira.ShiraMethod;
import org.peftjava.peft.tuner.supertuning.SupertuningMethod;
import org.peftjava.peft.tuner.tinylora.TinyLoraMethod;
import org.peftjava.peft.tuner.trainabletokens.TrainableTokensMethod;
import org.peftjava.peft.tuner.unilora.UniLoraMethod;
import org.peftjava.peft.tuner.vblora.VBLoRAMethod;
import org.peftjava.peft.tuner.vera.VeraMethod;
import org.peftjava.peft.tuner.waveft.WaveFTMethod;
import org.peftjava.peft.tuner.xlora.XLoraMethod;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** All tuning methods: one line each. Others join through {@link ServiceLoader}. */
public final class TunerMethods {
  private static final Logger LOG = LoggerFactory.getLogger(TunerMethods.class);
  private static final int MAX_FAILURES = 16;
  private static final List<AdapterMethod<?>> METHODS = methods();

  private TunerMethods() {}

  /** The method with this {@code peft_type}. */
  public static AdapterMethod<?> get(String peftType) {
    return METHODS.stream()
        .filter(method -> method.peftType().equals(peftType))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "Unknown peft_type \""
                        + peftType
                        + "\". Known: "
                        + String.join(", ", peftTypes())
                        + "."));
  }

  /** The {@code peft_type}s of all methods. */
  public static List<String> peftTypes() {
    return METHODS.stream().<String>map(AdapterMethod::peftType).toList();
  }

  /** The method with this {@code peft_type}, which must adapt layers. */
  public static TunerMethod<?> ofLayers(String peftType) {
    if (get(peftType) instanceof TunerMethod<?> method) {
      return method;
    }
    throw new IllegalArgumentException(peftType + " does not adapt single layers of a model.");
  }

  /** The method that learns virtual tokens with this {@code peft_type}, if it does. */
  public static Optional<PromptLearningMethod<?>> ofPrompts(String peftType) {
    return get(peftType) instanceof PromptLearningMethod<?> method
        ? Optional.of(method)
        : Optional.empty();
  }

  /** The modules that a config's targets select. */
  public static List<String> matched(TunerConfig config, BaseModel model) {
    return matched(ofLayers(config.peftType()), config, model);
  }

  private static <C extends TunerConfig> List<String> matched(
      TunerMethod<C> method, TunerConfig config, BaseModel model) {
    C prepared = method.prepared(method.configType().cast(config), model);
    try {
      return TargetMatcher.match(model, method.targets(prepared), method::defaultTargets).paths();
    } catch (NoMatchingModulesException e) {
      return List.of();
    }
  }

  /** Methods of other libraries; one that cannot be loaded must not take the others with it. */
  private static void addOthers(List<AdapterMethod<?>> methods) {
    Iterator<?> found = ServiceLoader.load(AdapterMethod.class).iterator();
    for (int failures = 0; failures < MAX_FAILURES; ) {
      try {
        if (!found.hasNext()) {
          return;
        }
        AdapterMethod<?> method = (AdapterMethod<?>) found.next();
        if (methods.stream().anyMatch(known -> known.peftType().equals(method.peftType()))) {
          LOG.warn("{} is ignored: there is a method {}.", method, method.peftType());
        } else {
          methods.add(method);
        }
      } catch (ServiceConfigurationError e) {
        LOG.warn("A tuning method cannot be loaded.", e);
        failures++;
      }
    }
  }

  private static List<AdapterMethod<?>> methods() {
    List<AdapterMethod<?>> result = new ArrayList<>();
    result.add(new AdaLoraMethod());
    result.add(new AdamssMethod());
    result.add(new AdaptionPromptMethod());
    result.add(new BeftMethod());
    result.add(new BOFTMethod());
    result.add(new C3AMethod());
    result.add(new CartridgeMethod());
    result.add(new CPTMethod());
    result.add(new DeftMethod());
    result.add(new DeloraMethod());
    result.add(new FourierFTMethod());
    result.add(new FrodMethod());
    result.add(new GloraMethod());
    result.add(new GraloraMethod());
    result.add(new HiraMethod());
    result.add(new HRAMethod());
    result.add(new IA3Method());
    result.add(new LilyMethod());
    result.add(new LNTuningMethod());
    result.add(new LoHaMethod());
    result.add(new LoKrMethod());
    result.add(new LoraMethod());
    result.add(new MissMethod());
    result.add(new MultitaskPromptTuningMethod());
    result.add(new OFTMethod());
    result.add(new OSFMethod());
    result.add(new PeanutMethod());
    result.add(new PolyMethod());
    result.add(new PrefixTuningMethod());
    result.add(new PromptTuningMethod());
    result.add(new PsoftMethod());
    result.add(new PTuningMethod());
    result.add(new PveraMethod());
    result.add(new RandLoraMethod());
    result.add(new RoadMethod());
    result.add(new ShadowMethod());
    result.add(new ShiraMethod());
    result.add(new SupertuningMethod());
    result.add(new TinyLoraMethod());
    result.add(new TrainableTokensMethod());
    result.add(new UniLoraMethod());
    result.add(new VBLoRAMethod());
    result.add(new VeraMethod());
    result.add(new WaveFTMethod());
    result.add(new XLoraMethod());
    addOthers(result);
    return List.copyOf(result);
  }
}
