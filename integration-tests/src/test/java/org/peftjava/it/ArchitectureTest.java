package org.peftjava.it;

import static com.tngtech.archunit.base.DescribedPredicate.alwaysTrue;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.methods;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.peftjava.it.ClassShape.beAtMostTwoLevelsBelowModule;
import static org.peftjava.it.ClassShape.beClosedForInheritance;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import java.util.Set;

/** The rules of the code's structure: who may use whom, and what shape a class has. */
@AnalyzeClasses(packages = "org.peftjava", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {
  /**
   * Lists of all implementations, one line each: the one place where a parent names its children.
   */
  private static final Set<String> REGISTRIES =
      Set.of(
          "org.peftjava.peft.tuner.TunerMethods", "org.peftjava.transformers.model.Architectures");

  private static final String TORCH = "org.peftjava.torch..";
  private static final String QUANT = "org.peftjava.quant..";
  private static final String TRANSFORMERS = "org.peftjava.transformers..";
  private static final String PEFT = "org.peftjava.peft..";

  @ArchTest
  static final ArchRule libtorchStaysBehindItsWrapper =
      noClasses()
          .that()
          .resideOutsideOfPackages(
              "org.peftjava.torch",
              "org.peftjava.torch.runtime",
              "org.peftjava.torch.kernels",
              "org.peftjava.torch.cuda")
          .should()
          .dependOnClassesThat()
          .resideInAPackage("org.bytedeco..")
          .because("raw pointers need the ownership rules that only these packages keep");

  @ArchTest
  static final ArchRule torchKnowsNoOtherModule =
      noClasses()
          .that()
          .resideInAPackage(TORCH)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(QUANT, TRANSFORMERS, PEFT);

  @ArchTest
  static final ArchRule quantizationKnowsNeitherModelsNorAdapters =
      noClasses()
          .that()
          .resideInAPackage(QUANT)
          .should()
          .dependOnClassesThat()
          .resideInAnyPackage(TRANSFORMERS, PEFT);

  @ArchTest
  static final ArchRule modelsDoNotKnowAdapters =
      noClasses()
          .that()
          .resideInAPackage(TRANSFORMERS)
          .should()
          .dependOnClassesThat()
          .resideInAPackage(PEFT);

  @ArchTest
  static final ArchRule tunersAreMathsOverTensors =
      classes()
          .that()
          .resideInAPackage("org.peftjava.peft.tuner..")
          .should()
          .onlyDependOnClassesThat()
          .resideInAnyPackage(
              "org.peftjava.peft.tuner..",
              TORCH,
              "java..",
              "com.google.common..",
              "com.google.errorprone.annotations..",
              "org.jspecify.annotations..",
              "org.slf4j..")
          .because("a tuner works over any kind of weight, in any model, from any file")
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule tunersDoNotKnowEachOther =
      slices()
          .matching("org.peftjava.peft.tuner.(*)..")
          .should()
          .notDependOnEachOther()
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule architecturesDoNotKnowEachOther =
      slices()
          .matching("org.peftjava.transformers.model.(*)..")
          .should()
          .notDependOnEachOther()
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule weightFormatsDoNotKnowEachOther =
      slices()
          .matching("org.peftjava.quant.(*)..")
          .should()
          .notDependOnEachOther()
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule packagesFormNoCycle =
      slices()
          .matching("org.peftjava.(**)")
          .should()
          .beFreeOfCycles()
          .ignoreDependency(registry(), alwaysTrue())
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule namesSayWhatAThingIs =
      noClasses()
          .should()
          .haveNameMatching(".*(Util|Utils|Helper|Helpers|Manager|Impl)")
          .because("such a name fits anything, so anything ends up there");

  @ArchTest
  static final ArchRule inheritanceStaysShallow =
      classes()
          .that()
          .areAssignableTo("org.peftjava.torch.nn.Module")
          .should(beAtMostTwoLevelsBelowModule())
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule publicClassesAreClosed =
      classes()
          .that()
          .arePublic()
          .should(beClosedForInheritance())
          .because("a class is either designed for inheritance or final")
          .allowEmptyShould(true);

  @ArchTest
  static final ArchRule facadeHandsOutNoTensors =
      methods()
          .that()
          .areDeclaredInClassesThat(isFacade())
          .and()
          .arePublic()
          .and()
          .haveRawReturnType("org.peftjava.torch.Tensor")
          .should()
          .haveNameMatching("forward|logits|loss|prepareDecoderInputIdsFromLabels|.*Tensor")
          .because("who holds a tensor must close it, and the name has to say so")
          .allowEmptyShould(true);

  private static DescribedPredicate<JavaClass> isFacade() {
    return resideInAPackage("org.peftjava.peft")
        .or(resideInAPackage("org.peftjava.transformers"))
        .or(resideInAPackage("org.peftjava.transformers.training"))
        .or(resideInAPackage("org.peftjava.transformers.generation"))
        .and(DescribedPredicate.describe("are no records", type -> !type.isRecord()));
  }

  private static DescribedPredicate<JavaClass> registry() {
    return DescribedPredicate.describe("registries", type -> REGISTRIES.contains(type.getName()));
  }
}
