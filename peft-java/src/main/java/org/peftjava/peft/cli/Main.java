package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.charset.Charset;
import java.util.List;
import java.util.concurrent.Callable;
import org.peftjava.peft.tuner.TaskType;
import org.peftjava.peft.tuner.lora.LoraConfig;
import org.peftjava.transformers.training.OptimizerNames;
import org.peftjava.transformers.training.SchedulerType;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

/** Entry of the {@code peft} command line. */
public final class Main {
  private static final List<String> COMMANDS =
      List.of("train", "generate", "merge", "plan", "info", "logits", "push", "demo");

  private static final String SELF_CHECK = "selfcheck";

  private Main() {}

  /** Runs the command in the arguments and ends the process with its exit code. */
  @SuppressWarnings("SystemOut")
  public static void main(String[] args) {
    quietLogging();
    Charset charset = Charset.defaultCharset();
    PrintWriter out = new PrintWriter(System.out, true, charset);
    PrintWriter err = new PrintWriter(System.err, true, charset);
    System.exit(run(out, err, args));
  }

  /** Runs the command in the arguments and returns its exit code. */
  static int run(PrintWriter out, PrintWriter err, String... args) {
    CommandLine line = commandLine(args.length == 0 ? "" : args[0]);
    line.setOut(out).setErr(err);
    Words.register(line, OptimizerNames.class);
    Words.register(line, SchedulerType.class);
    Words.register(line, TaskType.class);
    Words.register(line, LoraConfig.Bias.class);
    line.setParameterExceptionHandler(Failures::usage);
    line.setExecutionExceptionHandler(Failures::execution);
    int exitCode = line.execute(args);
    out.flush();
    err.flush();
    return exitCode;
  }

  /** Builds the named command only, for a quick start; all of them if it is none. */
  private static CommandLine commandLine(String name) {
    CommandLine line = new CommandLine(new RootCommand());
    if (isCommand(name)) {
      line.addSubcommand(name, command(name));
    } else {
      COMMANDS.forEach(each -> line.addSubcommand(each, command(each)));
    }
    return line;
  }

  private static boolean isCommand(String name) {
    return COMMANDS.contains(name) || name.equals(SELF_CHECK);
  }

  private static Callable<Integer> command(String name) {
    return switch (name) {
      case "train" -> new TrainCommand();
      case "generate" -> new GenerateCommand();
      case "merge" -> new MergeCommand();
      case "plan" -> new PlanCommand();
      case "info" -> new InfoCommand();
      case "logits" -> new LogitsCommand();
      case "push" -> new PushCommand();
      case "demo" -> new DemoCommand();
      case SELF_CHECK -> new SelfCheckCommand();
      default -> throw new IllegalArgumentException("There is no command " + name + ".");
    };
  }

  /** Warnings only, one plain line each on stderr; what the user has set stays. */
  private static void quietLogging() {
    setUnlessSet("defaultLogLevel", "warn");
    setUnlessSet("showThreadName", "false");
    setUnlessSet("showLogName", "false");
    setUnlessSet("levelInBrackets", "true");
  }

  private static void setUnlessSet(String property, String value) {
    String key = "org.slf4j.simpleLogger." + property;
    if (System.getProperty(key) == null) {
      System.setProperty(key, value);
    }
  }

  /** The common options of a parsed command, for the failure handlers. */
  static CommonOptions common(CommandSpec spec) {
    CommandSpec mixin = spec.mixins().get("common");
    if (mixin == null) {
      throw new IllegalStateException(spec.qualifiedName() + " lacks the common options.");
    }
    return (CommonOptions) mixin.userObject();
  }
}
