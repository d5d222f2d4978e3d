-- Patterns of ids.
local glob = require "upjob.glob"

describe("a pattern of ids", function()
  it("matches the whole id, with * for any characters and ? for one", function()
    for _, case in ipairs {
      { "nightly", "nightly", true }, { "nightly", "nightly2", false }, { "night*", "nightly/import", true },
      { "*/import", "nightly/import", true }, { "*/import", "import", false }, { "*", "", true }, { "*", "a/b", true },
      { "a?c", "abc", true }, { "a?c", "ac", false }, { "a?c", "a\u{E9}c", true }, { "a??c", "a\u{E9}c", false },
      { "a.c", "abc", false }, { "a.*", "a.b", true }, { "a-?", "a-b", true }, { "a+?", "aab", false }, { "%a*", "b", false },
    } do
      assert.equals(case[3], glob.matches(case[1], case[2]), case[1] .. " " .. case[2])
    end
  end)
end)
