package org.peftjava.peft.cli;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import picocli.CommandLine.IVersionProvider;

/** Versions of this program and what it runs on. */
final class Versions implements IVersionProvider {
  /** The version of this build; "development" outside a jar. */
  static String own() {
    return Optional.ofNullable(Versions.class.getPackage().getImplementationVersion())
        .orElse("development");
  }

  /** What a report of a run names. */
  static Map<String, String> all() {
    Map<String, String> versions = new LinkedHashMap<>();
    versions.put("peft-java", own());
    versions.put("java", Runtime.version().toString());
    versions.put(
        "os",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.version")
            + " "
            + System.getProperty("os.arch"));
    return versions;
  }

  @Override
  public String[] getVersion() {
    return new String[] {"peft-java " + own(), "Java " + Runtime.version()};
  }
}
