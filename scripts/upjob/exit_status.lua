--- The exit status that an error or the end of a job stands for: README.md, "Exit status".
local errors = require "upjob.errors"
local max_failed = require "upjob.max_failed"

local exit_status = { OK = 0, FAILED = 1, USAGE = 2, CONFIG = 3, REFUSED = 4, JOB_FAILED = 5, ROWS_FAILED = 6, INVALID_FILE = 7,
                      TIMED_OUT = 124 } -- those of signals are 128 and the signal's number: Interrupted errors carry them

local OF_CODE = {
  UsageError = exit_status.USAGE, ParamValidationError = exit_status.USAGE,
  ConfigurationError = exit_status.CONFIG, CredentialsError = exit_status.CONFIG,
  FileError = exit_status.INVALID_FILE, CsvError = exit_status.INVALID_FILE, InvalidFile = exit_status.INVALID_FILE,
  InvalidMapping = exit_status.INVALID_FILE, InvalidAutomation = exit_status.INVALID_FILE,
  TimeoutError = exit_status.TIMED_OUT, ConnectionError = exit_status.FAILED, Cancelled = exit_status.FAILED,
  JsonError = exit_status.FAILED, InvalidResponse = exit_status.FAILED, OutOfMemory = exit_status.FAILED,
  SystemError = exit_status.FAILED, InternalError = exit_status.FAILED,
  LeaseHeld = exit_status.FAILED, LeaseLost = exit_status.FAILED, RunEnded = exit_status.FAILED, NotFound = exit_status.FAILED,
  NoDaemon = exit_status.FAILED,
}

--- That of an error object; what is none is a fault of a script.
function exit_status.of_error(err)
  if not errors.is(err) then return exit_status.FAILED end
  if err.code == "Interrupted" then return err.status end
  return OF_CODE[err.code] or exit_status.REFUSED
end

--- That of a job that has ended. `limit`: how many rows may fail, as max_failed.read takes it, or nil.
function exit_status.of_result(result, limit)
  if result.Status == "FAILED" or result.Status == "STOPPED" then return exit_status.JOB_FAILED end
  local summary = result.ResultsSummary or {}
  local failed = summary.FailedRecords or 0
  if failed == 0 and result.Status == "PARTIALLY_SUCCEEDED" then failed = 1 end -- at least, whatever the counts say
  local rows = result.rows or (summary.CreatedRecords or 0) + (summary.UpdatedRecords or 0) + failed
  local allowed = limit and max_failed.of(max_failed.read(limit), rows) or 0
  return failed + (result.rejected or 0) > allowed and exit_status.ROWS_FAILED or exit_status.OK
end

return exit_status
