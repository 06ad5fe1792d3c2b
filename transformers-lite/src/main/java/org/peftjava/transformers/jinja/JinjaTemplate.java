package org.peftjava.transformers.jinja;

import java.time.LocalDateTime;
import java.util.HashMap;
import java.util.Map;

/**
 * A Jinja template as transformers renders chat templates: {@code trim_blocks}, {@code
 * lstrip_blocks}, {@code tojson} without HTML escapes, {@code raise_exception}, {@code
 * strftime_now}, {@code {% generation %}}, {@code break} and {@code continue}.
 *
 * <p>A template sees copies of texts, numbers, lists and maps and cannot reach anything of Java or
 * change a value. Its steps, time, nesting and the length of what it makes are limited.
 *
 * <p>Reference: jinja2 3.1 with {@code ImmutableSandboxedEnvironment}; decision 007 says why this
 * is not a library's work.
 */
public final class JinjaTemplate {
  private static final int MAX_TEMPLATE = 1 << 20;

  private final Statement body;

  private JinjaTemplate(Statement body) {
    this.body = body;
  }

  /**
   * Reads a template.
   *
   * @throws JinjaException if it is wrong
   */
  public static JinjaTemplate parse(String template) {
    if (template.length() > MAX_TEMPLATE) {
      throw new JinjaException(
          "it has " + template.length() + " characters; expected at most " + MAX_TEMPLATE);
    }
    try {
      return new JinjaTemplate(
          new StatementParser(new TokenStream(Lexer.tokens(template))).template());
    } catch (StackOverflowError e) {
      throw new JinjaException("it is nested too deep");
    }
  }

  /**
   * What the template writes.
   *
   * @param variables texts, numbers, booleans, lists and maps of them, or null
   * @param now what {@code strftime_now} shows
   * @throws JinjaException if it fails or raises an exception
   */
  public String render(Map<String, ?> variables, LocalDateTime now) {
    Budget budget = new Budget();
    Scope globals = new Scope(Globals.with(now), budget);
    Map<String, Object> values = new HashMap<>();
    variables.forEach((name, value) -> values.put(name, Values.of(value)));
    Scope scope = globals.inner();
    values.forEach(scope::set);
    Output out = new Output(budget);
    try {
      body.render(scope, out);
    } catch (StackOverflowError e) {
      throw new JinjaException("its values or calls are nested too deep");
    }
    return out.toString();
  }
}
