package org.peftjava.it;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaModifier;
import com.tngtech.archunit.lang.ArchCondition;
import com.tngtech.archunit.lang.ConditionEvents;
import com.tngtech.archunit.lang.SimpleConditionEvent;
import java.util.Set;

/** Conditions on the shape of one class that ArchUnit does not bring along. */
final class ClassShape {
  private static final String MODULE = "org.peftjava.torch.nn.Module";

  /** Concrete public classes that callers may extend. Each needs a reason here. */
  private static final Set<String> OPEN_CLASSES = Set.of();

  private ClassShape() {}

  /** At most two {@code extends} lead from the class to {@code nn.Module}. */
  static ArchCondition<JavaClass> beAtMostTwoLevelsBelowModule() {
    return new ArchCondition<>("be at most two levels below nn.Module") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        int depth = depthBelowModule(type);
        events.add(
            new SimpleConditionEvent(
                type, depth <= 2, type.getName() + " is " + depth + " levels below nn.Module"));
      }
    };
  }

  /**
   * Final, sealed, abstract, or a kind of type that nobody can extend (record, enum, interface).
   */
  static ArchCondition<JavaClass> beClosedForInheritance() {
    return new ArchCondition<>("be final, sealed, abstract, a record, an enum or an interface") {
      @Override
      public void check(JavaClass type, ConditionEvents events) {
        boolean closed =
            type.isInterface()
                || type.isRecord()
                || type.isEnum()
                || type.getModifiers().contains(JavaModifier.FINAL)
                || type.getModifiers().contains(JavaModifier.ABSTRACT)
                || isSealed(type)
                || OPEN_CLASSES.contains(type.getName());
        events.add(new SimpleConditionEvent(type, closed, type.getName() + " can be extended"));
      }
    };
  }

  /**
   * Asked of the loaded class, since ArchUnit reads no PermittedSubclasses. Runs no initializer.
   */
  private static boolean isSealed(JavaClass type) {
    return type.reflect().isSealed();
  }

  private static int depthBelowModule(JavaClass type) {
    int depth = 0;
    for (JavaClass at = type; !at.getName().equals(MODULE); depth++) {
      at = at.getRawSuperclass().orElseThrow();
    }
    return depth;
  }
}
