package org.peftjava.peft.cli;

import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.peftjava.transformers.hub.CommitInfo;
import org.peftjava.transformers.hub.PushOptions;
import org.peftjava.transformers.hub.UploadPlan;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** {@code peft push}: uploads an adapter or a model to the hub. */
@Command(
    name = "push",
    description = {
      "Uploads an adapter or a model to the Hugging Face hub, in one commit.",
      "The token comes from HF_TOKEN or \"hf auth login\", the address from HF_ENDPOINT."
    })
final class PushCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private CommonOptions common = new CommonOptions();

  @ArgGroup(multiplicity = "1")
  private Source source = new Source();

  /** What is pushed. */
  static final class Source {
    @Option(names = "--adapter", paramLabel = "DIR", description = "The adapter's folder.")
    private @Nullable Path adapter;

    @Option(names = "--model", paramLabel = "DIR", description = "Or a model's folder.")
    private @Nullable Path model;

    PushedFolder folder() {
      return adapter != null
          ? PushedFolder.ofAdapter(adapter)
          : PushedFolder.ofModel(Optional.ofNullable(model).orElseThrow());
    }
  }

  @Option(
      names = "--repo",
      required = true,
      paramLabel = "ORG/NAME",
      description = "The repository; created if it is not there.")
  private String repo = "";

  @Option(names = "--private", description = "A new repository is seen by its owners only.")
  private boolean isPrivate;

  @Option(
      names = "--revision",
      paramLabel = "BRANCH",
      description = "The branch (default: main); created if it is not there.")
  private @Nullable String revision;

  @Option(
      names = "--message",
      paramLabel = "TEXT",
      description = "The commit's message (default: Upload model).")
  private @Nullable String message;

  @Option(names = "--create-pr", description = "Make a pull request instead of a commit.")
  private boolean createPr;

  @Option(
      names = "--exclude",
      paramLabel = "PATTERN",
      description =
          "Leave out files whose names match, such as '*.bin'; may be repeated. Hidden files and"
              + " folders checkpoint-* are always left out.")
  private List<String> exclude = List.of();

  @Option(
      names = "--dry-run",
      description = "Only list what would be uploaded, with sizes and SHA-256.")
  private boolean dryRun;

  @Override
  public Integer call() {
    PushedFolder pushed = source.folder();
    common.apply();
    PrintWriter out = spec.commandLine().getOut();
    try (TransferBar bar = TransferBar.onTerminal()) {
      Consumer<PushOptions.Builder> options = CommandFailure.usage(() -> options(bar));
      if (dryRun) {
        list(out, CommandFailure.usage(() -> pushed.planPush(repo, options)));
        return ExitCode.OK;
      }
      CommitInfo commit = CommandFailure.usage(() -> pushed.pushToHub(repo, options));
      bar.close();
      out.println("pushed " + pushed.folder() + " -> " + commit.prUrl().orElse(commit.commitUrl()));
    }
    return ExitCode.OK;
  }

  /** The options as they were given; wrong ones throw. */
  private Consumer<PushOptions.Builder> options(TransferBar bar) {
    Consumer<PushOptions.Builder> options =
        push -> {
          push.createPr(createPr).ignorePatterns(".*", "*/.*", "checkpoint-*/*");
          push.ignorePatterns(exclude.toArray(new String[0]));
          push.hub(hub -> hub.progress(bar));
          Optional.ofNullable(revision).ifPresent(push::revision);
          Optional.ofNullable(message).ifPresent(push::commitMessage);
          if (isPrivate) {
            push.isPrivate(true);
          }
        };
    PushOptions.of(options);
    return options;
  }

  private static void list(PrintWriter out, UploadPlan plan) {
    for (UploadPlan.PlannedFile file : plan.files()) {
      out.printf(Locale.ROOT, "%s %,15d  %s%n", file.sha256(), file.size(), file.pathInRepo());
    }
    out.printf(
        Locale.ROOT,
        "would upload %d files, %,d bytes, to %s%n",
        plan.files().size(),
        plan.size(),
        plan.repo());
  }
}
